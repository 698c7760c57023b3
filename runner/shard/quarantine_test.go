package shard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/operator"
	"shardclient/runner/pgtest"
)

// job is a job as the master sends it; the entries are JSON too.
func job(id int, entries ...string) string {
	return fmt.Sprintf(`{"id": %d, "owner": "alice", "name": "job%d", "priority": 20, "created_on": "2019-03-15T10:20:31.123",
		"control_file": "NAME = 'x'", "hostqueueentry_set": [%s], "dependency_labels": [], "jobkeyval_set": [{"id": 1, "key": "build", "value": "eve"}],
		"shard": {"id": 1, "hostname": %q}}`, id, id, strings.Join(entries, ","), ourShard)
}

func entry(id int, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"id": %d, "status": "Queued", "meta_host": null`, id)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

func host(id int, hostname string) string {
	return fmt.Sprintf(`{"id": %d, "hostname": %q, "status": "Ready", "leased": false, "labels": [], "aclgroup_set": [],
		"hostattribute_set": [], "shard": {"id": 1, "hostname": %q}}`, id, hostname, ourShard)
}

func result(hosts, jobs, keyvals []string, incorrect ...string) string {
	return fmt.Sprintf(`{"hosts": [%s], "jobs": [%s], "suite_keyvals": [%s], "incorrect_host_ids": [%s]}`,
		strings.Join(hosts, ","), strings.Join(jobs, ","), strings.Join(keyvals, ","), strings.Join(incorrect, ","))
}

// parsed is the response with a result.
func parsed(result string) *afe.Response {
	response, err := afe.Parse([]byte(`{"error": null, "result": ` + result + `}`))
	if err != nil {
		panic(err)
	}
	return response
}

// goodJobs have ids from 1 on and entries from 1001 on.
func goodJobs(n int) []string {
	var jobs []string
	for id := 1; id <= n; id++ {
		jobs = append(jobs, job(id, entry(1000+id)))
	}
	return jobs
}

func TestP6OneBadObjectHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(1, "h1")}, nil, nil))
	mustBeat(t, client)

	jobs := goodJobs(50)
	jobs = append(jobs,
		strings.Replace(job(101, entry(1101)), `"alice"`, `"ali\u0000ce"`, 1),
		strings.Replace(job(102, entry(1102)), `"priority": 20`, `"priority": "high"`, 1),
		strings.Replace(job(103, entry(1103)), `"id": 103, `, "", 1),
		strings.Replace(job(7, entry(1104)), `"job7"`, `"another"`, 1), // a second job 7
		job(8, entry(1008)), // an identical copy
		job(105, entry(1105, `"host_id": 99`)),
		strings.Replace(job(106), `"hostqueueentry_set": []`, `"hostqueueentry_set": null`, 1),
	)
	hosts := []string{host(2, "h2"), host(3, "h1")}
	master.saysResult(result(hosts, jobs, nil))
	b := mustBeat(t, client)
	if b.Quarantined != 7 || b.ReceivedJobs != 57 || b.ReceivedHosts != 2 {
		t.Errorf("set aside %d of %d jobs and %d hosts, want 7 of 57 and 2", b.Quarantined, b.ReceivedJobs, b.ReceivedHosts)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs j JOIN afe_host_queue_entries e ON e.job_id = j.id"); n != 50 {
		t.Errorf("%d jobs stored with their entry, want 50", n)
	}
	if name := pgtest.Query[string](t, pool, "SELECT name FROM afe_jobs WHERE id = 7"); name != "job7" {
		t.Errorf("job 7 is %q, want the first one", name)
	}
	want := []string{
		"in host 3 name_taken: its hostname belongs to host 1 here, which is valid",
		"in job 7 duplicate_id: another job with id 7 came first in this response",
		"in job 101 malformed: owner: contains a NUL character, which PostgreSQL cannot store",
		`in job 102 malformed: priority: want a whole number, got "high"`,
		"in job 105 waiting_for_host: entry 1105 names host 99, which is not here yet",
		"in job 106 malformed: hostqueueentry_set: want a list, got null",
		"in job - malformed: id: is missing",
	}
	if diff := cmp.Diff(want, quarantine(t, pool)); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}

	// Each is gone once it could be stored.
	pgtest.Exec(t, pool, "UPDATE afe_hosts SET invalid = true WHERE id = 1")
	mended := []string{
		job(101, entry(1101)), job(102, entry(1102)), job(7, entry(1007)),
		job(105, entry(1105, `"host_id": 99`)), job(106, entry(1106)),
	}
	master.saysResult(result([]string{host(3, "h1"), host(99, "h99")}, mended, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%d objects set aside after they were mended", b.Quarantined)
	}
	if diff := cmp.Diff([]string{"in job - malformed: id: is missing"}, quarantine(t, pool)); diff != "" {
		t.Errorf("quarantine after mending (-want +got):\n%s", diff)
	}
	if name := pgtest.Query[string](t, pool, "SELECT hostname FROM afe_hosts WHERE id = 1"); name != "h1 (was id 1)" {
		t.Errorf("the invalid holder of the name is now called %q", name)
	}
}

func quarantine(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	list, err := operator.ListQuarantine(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range list {
		id := "-"
		if o.ID != nil {
			id = fmt.Sprint(*o.ID)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s", o.Direction, o.Kind, id, o.Code, o.Reason))
	}
	return lines
}
