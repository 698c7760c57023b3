package shard_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// ofASuite is a job whose parent's keyvals come as suite keyvals.
func ofASuite(job string) string {
	return strings.Replace(job, `"key": "build", "value": "eve"`, `"key": "parent_job_id", "value": "77"`, 1)
}

// sections are those of an answer: a new host, a new job, a new job of a suite, an abort of a job
// that is here, the suite's keyvals, and a host that went to another shard.
func sections() map[string]string {
	return map[string]string{
		"hosts": "[" + host(3, "h3") + "]",
		"jobs": "[" + strings.Join([]string{
			job(3, entry(1003)), ofASuite(job(4, entry(1004))), ofASuite(job(1, entry(1001, `"aborted": true`))),
		}, ",") + "]",
		"suite_keyvals":      `[{"id": 9, "job_id": 77, "key": "suite", "value": "bvt"}]`,
		"incorrect_host_ids": "[2]",
	}
}

func answerOf(sections map[string]string) string {
	var members []string
	for name, value := range sections {
		members = append(members, fmt.Sprintf("%q: %s", name, value))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// shardWithAnUpload has two hosts, an open job and a finished one.
func shardWithAnUpload(t *testing.T) (*pgxpool.Pool, *scriptedMaster, *shard.Client) {
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(1, "h1"), host(2, "h2")}, []string{ofASuite(job(1, entry(1001))), job(2, entry(1002))}, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE job_id = 2")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL WHERE id = 2")
	return pool, master, client
}

func snapshot(t *testing.T, pool *pgxpool.Pool) *replay.Snapshot {
	t.Helper()
	s, err := replay.ReadSnapshot(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A section that is missing or not a list loses nothing and harms no other section. The beat fails,
// so that an operator sees it; the upload is acknowledged, because there is a result; and once the
// section comes, everything is as if it had come at once (P3). Therefore a new job of a suite waits
// while the suite's keyvals cannot be read: the master sends these only with a job that is not
// here.
func TestP6BadSectionHarmsNoOther(t *testing.T) {
	t.Parallel()
	whole, master, client := shardWithAnUpload(t)
	master.saysResult(answerOf(sections()))
	mustBeat(t, client)
	const state = `SELECT 'hosts ' || (SELECT string_agg(id || CASE WHEN invalid THEN '!' ELSE '' END, ' ' ORDER BY id) FROM afe_hosts)
		|| ', jobs ' || (SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_jobs)
		|| ', suite ' || (SELECT count(*) FROM afe_job_keyvals WHERE job_id = 77)
		|| ', aborted ' || (SELECT count(*) FROM afe_host_queue_entries WHERE aborted)`
	for section, want := range map[string]string{
		"hosts":              "hosts 1 2!, jobs 1 2 3 4, suite 1, aborted 1",
		"jobs":               "hosts 1 2! 3, jobs 1 2, suite 1, aborted 0",
		"suite_keyvals":      "hosts 1 2! 3, jobs 1 2 3, suite 0, aborted 1",
		"incorrect_host_ids": "hosts 1 2 3, jobs 1 2 3 4, suite 1, aborted 1",
	} {
		for _, value := range []string{"{}", `"x"`, "3", "null", "missing"} {
			t.Run(section+" "+value, func(t *testing.T) {
				pool, master, client := shardWithAnUpload(t)
				bad := sections()
				if bad[section] = value; value == "missing" {
					delete(bad, section)
				}
				master.saysResult(answerOf(bad))
				b := client.Beat(t.Context(), time.Now())
				tolerated := section == "incorrect_host_ids" && value == "missing" // as from a master of 2015
				if b.OK() != tolerated || !tolerated && (b.Failure != "incomplete" || !strings.Contains(b.Error, section)) {
					t.Errorf("%s %s: %s", b.Outcome, b.Failure, b.Error)
				}
				if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 2 AND shard_id = 1"); b.UploadedJobs != 1 || n != 1 {
					t.Errorf("%d jobs acknowledged, want 1", b.UploadedJobs)
				}
				if got := pgtest.Query[string](t, pool, state); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				master.saysResult(answerOf(sections()))
				mustBeat(t, client)
				if diff := cmp.Diff(snapshot(t, whole), snapshot(t, pool)); diff != "" {
					t.Errorf("after the whole answer (-at once +now):\n%s", diff)
				}
				if rows := quarantine(t, pool); len(rows) > 1 || len(rows) == 1 && !strings.Contains(rows[0], section+" is ") {
					t.Errorf("quarantine: %q; only the section itself has no id to be forgotten by", rows)
				}
			})
		}
	}
}

// A beat that breaks off leaves no job of a suite without the suite's keyvals: they come again only
// as long as the job is not here.
func TestP3SuiteKeyvalsComeBeforeTheirJobs(t *testing.T) {
	t.Parallel()
	pool, master, client := shardWithAnUpload(t)
	pgtest.Exec(t, pool, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order' USING ERRCODE = '55000'; END $$;
		CREATE TRIGGER fail BEFORE INSERT ON afe_job_keyvals FOR EACH ROW WHEN (NEW.job_id = 77) EXECUTE FUNCTION fail()`)
	master.saysResult(answerOf(sections()))
	if b := client.Beat(t.Context(), time.Now()); b.Failure != beat.FailureDatabase {
		t.Fatalf("%s: %s", b.Failure, b.Error)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE id = 4"); n != 0 {
		t.Error("job 4 is here without its suite's keyvals, and the master will not send them again")
	}
}

// A response that is not an answer to a heartbeat changes nothing and acknowledges nothing.
func TestP6AnswerThatIsNone(t *testing.T) {
	t.Parallel()
	pool, master, client := shardWithAnUpload(t)
	before := snapshot(t, pool)
	for _, body := range []string{
		`{"result": null, "error": null}`, `{"result": [], "error": null}`, `{"result": 5}`, `{"result": "ok"}`, `{"result": true}`, `{"result": {}}`,
		`null`, `[]`, `[{"result": {"hosts": []}}]`, `5`, `"ok"`, `true`, `{}`, ``,
		`{"result": {"hosts": []}, "error": "out of order"}`, `{"result": {"hosts": []}, "error": 0}`, `{"result": {"hosts": []}, "error": []}`,
		`{"result": {"hosts": []}, "error": false}`, `{"result": {"hosts": []}, "error": {"name": 5}}`,
	} {
		master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		b := client.Beat(t.Context(), time.Now())
		want := "undecodable"
		if strings.Contains(body, `"error": `) && !strings.Contains(body, `"error": null`) {
			want = "rpc_error"
		}
		if b.Failure != want {
			t.Errorf("%s: %s %s: %s", body, b.Outcome, b.Failure, b.Error)
		}
		if diff := cmp.Diff(before, snapshot(t, pool)); b.UploadedJobs != 0 || diff != "" {
			t.Errorf("%s: %d jobs acknowledged (-before +after):\n%s", body, b.UploadedJobs, diff)
		}
		// An error begins a search; without it, the next packet holds everything again.
		pgtest.Exec(t, pool, "DELETE FROM shard_client_suspects")
	}
	master.saysResult(result(nil, nil, nil))
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Errorf("uploaded %d jobs after all that, want 1", b.UploadedJobs)
	}
}
