package shard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// keyvalsOf lists the keyvals of job 7.
func keyvalsOf(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return pgtest.Query[string](t, pool, `SELECT coalesce(string_agg(key || '=' || value, ' ' ORDER BY key, value), '') FROM afe_job_keyvals WHERE job_id = 7`)
}

// job7 has the given list of keyvals; "": none was sent.
func job7(keyvals string) string {
	field := ""
	if keyvals != "" {
		field = fmt.Sprintf(`"jobkeyval_set": %s,`, keyvals)
	}
	return fmt.Sprintf(`{"id": 7, "owner": "o", "name": "suite", "created_on": "2019-01-01T00:00:00", %s
		"hostqueueentry_set": [{"id": 1007, "status": "Queued"}], "shard": {"id": 1, "hostname": %q}}`, field, ourShard)
}

func keyval(id int, key, value string) string {
	return fmt.Sprintf(`{"id": %d, "job_id": 7, "key": %q, "value": %q}`, id, key, value)
}

// suiteAnswers hold a job and suite keyvals with the job's own id. The end state must be that of
// the original, which stores jobs first. Sent in two answers, one after the other, they leave no
// order to choose.
var suiteAnswers = []struct {
	name, here, own string
	suite           []string
	want            string
}{
	{"an empty list of its own", "", `[]`, []string{keyval(1, "suite", "bvt")}, "suite=bvt"},
	{"no list of its own", "old=1", ``, []string{keyval(1, "suite", "bvt")}, "old=1 suite=bvt"},
	{"a list of its own", "old=1", `[{"key": "build", "value": "R1"}]`, []string{keyval(1, "suite", "bvt")}, "build=R1 suite=bvt"},
	{"the same key", "suite=old", `[{"key": "suite", "value": "own"}]`, []string{keyval(1, "suite", "bvt")}, "suite=bvt"},
	{"the same key twice in its own list", "", `[{"key": "suite", "value": "a"}, {"key": "suite", "value": "b"}]`, []string{keyval(1, "suite", "bvt")}, "suite=bvt suite=bvt"},
	{"the same suite key twice", "", `[]`, []string{keyval(1, "suite", "bvt"), keyval(2, "suite", "cq")}, "suite=cq"},
	{"a malformed suite keyval", "", `[{"key": "suite", "value": "own"}]`, []string{`{"id": 1, "job_id": 7, "key": "suite", "value": 5}`, keyval(2, "build", "R1")}, "build=R1 suite=own"},
	{"a suite keyval that PostgreSQL refuses", "", `[{"key": "suite", "value": "own"}]`, []string{keyval(1, "suite", "refused"), keyval(2, "build", "R1")}, "build=R1 suite=own"},
	{"of another job only", "", `[{"key": "suite", "value": "own"}]`, []string{strings.Replace(keyval(1, "suite", "bvt"), ": 7", ": 8", 1)}, "suite=own"},
}

func TestSuiteKeyvalsWinOverTheJobsOwn(t *testing.T) {
	t.Parallel()
	for _, tt := range suiteAnswers {
		for _, chunk := range []int{1, 500} {
			t.Run(fmt.Sprintf("%s in chunks of %d", tt.name, chunk), func(t *testing.T) {
				pool, reference := pgtest.Pool(t), pgtest.Pool(t)
				prepare := func(pool *pgxpool.Pool) (*scriptedMaster, *shard.Client) {
					pgtest.Exec(t, pool, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = '23514'; END $$;
						CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON afe_job_keyvals FOR EACH ROW WHEN (NEW.value = 'refused') EXECUTE FUNCTION refuse()`, simple)
					if key, value, found := strings.Cut(tt.here, "="); found {
						pgtest.Exec(t, pool, `INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (7, $1, $2)`, key, value)
					}
					o, master := options(), newMaster(t)
					o.ApplyChunk = chunk
					return master, newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				}
				master, client := prepare(pool)
				master.saysResult(result(nil, []string{job7(tt.own)}, tt.suite))
				mustBeat(t, client)
				if got := keyvalsOf(t, pool); got != tt.want {
					t.Errorf("keyvals %q, want %q", got, tt.want)
				}
				before := rowVersions(t, pool)
				mustBeat(t, client)
				if got := keyvalsOf(t, pool); got != tt.want {
					t.Errorf("keyvals %q after a repeated beat, want %q", got, tt.want)
				}
				// In chunks of one, each value of a key that came twice is stored in its turn.
				if diff := cmp.Diff(before, rowVersions(t, pool)); diff != "" && chunk > 1 {
					t.Errorf("rows written by a repeated beat (-before +after):\n%s", diff)
				}

				master, client = prepare(reference)
				master.saysResult(result(nil, []string{job7(tt.own)}, nil))
				mustBeat(t, client)
				master.saysResult(result(nil, nil, tt.suite))
				mustBeat(t, client)
				if got := keyvalsOf(t, reference); got != tt.want {
					t.Errorf("jobs first, then suite keyvals: %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// A beat that breaks off has lost no suite keyval: either the job is not here, so that the master
// sends both again, or the job has them. The next beat reaches the end state.
func TestP3SuiteKeyvalsOfABrokenBeat(t *testing.T) {
	t.Parallel()
	for table, event := range map[string]string{
		"afe_job_keyvals": "INSERT", "afe_jobs": "INSERT", "afe_host_queue_entries": "INSERT",
		"afe_jobs_dependency_labels": "INSERT", "shard_client_heartbeats": "INSERT",
	} {
		for _, nth := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s of %s %d", event, table, nth), func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = 1
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				pgtest.Exec(t, pool, fmt.Sprintf(`CREATE SEQUENCE calls;
					CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
						IF nextval('calls') = %d THEN RAISE 'broken' USING ERRCODE = '55000'; END IF; RETURN coalesce(NEW, OLD); END $$;
					CREATE TRIGGER fail BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION fail()`, nth, event, table), simple)
				master.saysResult(result(nil, []string{job7(`[{"key": "build", "value": "R1"}]`), job(8, entry(1008))}, []string{keyval(1, "suite", "bvt")}))
				client.Beat(t.Context(), time.Now())
				if here := pgtest.Query[int](t, pool, `SELECT count(*) FROM afe_jobs WHERE id = 7`); here == 1 && keyvalsOf(t, pool) != "build=R1 suite=bvt" {
					t.Errorf("job 7 is here with %q", keyvalsOf(t, pool))
				}
				mustBeat(t, client)
				if got := keyvalsOf(t, pool); got != "build=R1 suite=bvt" {
					t.Errorf("keyvals %q after a whole beat", got)
				}
			})
		}
	}
}
