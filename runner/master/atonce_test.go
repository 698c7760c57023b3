package master_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// lockedFirst reports whether jobs were locked before anything to send was looked for, which is for
// an upload.
func (s *statements) lockedFirst() bool {
	ran := s.names()
	lock, look := slices.Index(ran, "JobLock"), slices.Index(ran, "JobsToSend")
	return lock >= 0 && (look < 0 || lock < look)
}

// A packet is answered and stored the same whether its upload is stored at once or its rows are
// locked and looked at first, which they are where ids do not ascend.
func TestAtOnceIsAsCarefully(t *testing.T) {
	const job1, job2, end2 = `{"id": 1, "name": "changed"}`, `{"id": 2, "owner": "bob", "shard_id": 1}`,
		`{"id": 2, "status": "Completed", "complete": true, "finished_on": "2019-03-15T11:30:15"}`
	jobs := func(records ...string) []string { return records }
	for name, c := range map[string]struct {
		jobs, entries []string
		more, before  string
		locks         bool // even in the order of ids
	}{
		"plain":                      {jobs: jobs(job1, job2), entries: jobs(`{"id": 1, "status": "Failed", "complete": true}`, end2)},
		"jobs only":                  {jobs: jobs(job1, job2)},
		"a status that differs":      {jobs: jobs(job1, job2), entries: jobs(`{"id": 1, "aborted": true}`, end2), more: `, "known_host_ids": [1], "known_host_statuses": ["Dead"]`},
		"a host that is refused":     {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), more: `, "known_host_ids": [77], "known_host_statuses": ["Dead"]`},
		"a status too few":           {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), more: `, "known_host_ids": [1]`, locks: true},
		"another shard's job":        {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), before: "UPDATE afe_jobs SET shard_id = 2 WHERE id = 1", locks: true},
		"nobody's job":               {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), before: "UPDATE afe_jobs SET shard_id = NULL WHERE id = 1"},
		"an entry that is complete":  {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), before: "UPDATE afe_host_queue_entries SET complete = true WHERE id = 2", locks: true},
		"an entry without its job":   {jobs: jobs(job2, `{"id": 3}`), entries: jobs(`{"id": 1}`, end2), locks: true},
		"an entry with its job":      {jobs: jobs(job1, job2), entries: jobs(`{"id": 1, "job_id": 2}`, end2), locks: true},
		"an entry with no job":       {jobs: jobs(job1, job2), entries: jobs(`{"id": 1, "job_id": null}`, end2), locks: true},
		"an unknown job":             {jobs: jobs(job1, `{"id": 99}`), entries: jobs(`{"id": 1}`), locks: true},
		"an unknown entry":           {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, `{"id": 99}`), locks: true},
		"an id that is a text":       {jobs: jobs(job1, `{"id": "2"}`), entries: jobs(`{"id": 1}`, end2), locks: true},
		"what PostgreSQL refuses":    {jobs: jobs(job1, `{"id": 2, "owner": null}`), entries: jobs(`{"id": 1}`, end2), locks: true},
		"what cannot be converted":   {jobs: jobs(job1, `{"id": 2, "priority": "x"}`), entries: jobs(`{"id": 1}`, end2), locks: true},
		"an end that is none":        {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, `{"id": 2, "finished_on": "x"}`), locks: true},
		"a job that stays open":      {jobs: jobs(job1, job2), entries: jobs(`{"id": 1, "status": "Running", "active": true}`, `{"id": 2, "execution_subdir": "x"}`)},
		"a shard that has no labels": {jobs: jobs(job1, job2), entries: jobs(`{"id": 1}`, end2), before: "DELETE FROM afe_shards_labels WHERE shard_id = 1"},
	} {
		for _, protocol := range protocols {
			t.Run(fmt.Sprint(name, "/", protocol), func(t *testing.T) {
				more := c.more
				if protocol == afe.Protocol2015 {
					more = ""
				}
				was := [2]string{}
				for i, ascend := range []bool{true, false} {
					pool, ran := connect(t, pgtest.Database(t))
					loadShared(t, pool, 4)
					pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1, created_on = '2019-03-01'")
					pgtest.Exec(t, pool, "DELETE FROM afe_host_queue_entries WHERE id NOT IN (SELECT min(id) FROM afe_host_queue_entries GROUP BY job_id)")
					pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET id = job_id")
					if c.before != "" {
						pgtest.Exec(t, pool, c.before)
					}
					r := call(t, serve(t, pool, protocol), heartbeat(fmt.Sprintf(`{"shard_hostname": "one", "jobs": [%s], "hqes": [%s]%s}`,
						inOrder(c.jobs, ascend), inOrder(c.entries, ascend), more)))
					was[i] = string(r.body) + "\n" + pgtest.Query[string](t, pool, `SELECT string_agg(t, E'\n') FROM (SELECT j::text AS t FROM afe_jobs AS j
						UNION ALL SELECT e::text FROM afe_host_queue_entries AS e UNION ALL SELECT h::text FROM afe_hosts AS h ORDER BY 1) AS rows`)
					if locked := ran.lockedFirst(); locked != (c.locks && more == c.more || !ascend) {
						t.Errorf("ascending %t: rows were locked and looked at first: %t", ascend, locked)
					}
				}
				if was[0] != was[1] {
					t.Errorf("at once:\n%s\ncarefully:\n%s", was[0], was[1])
				}
			})
		}
	}
}

func inOrder(records []string, ascend bool) string {
	list := ""
	for i := range records {
		at := i
		if !ascend {
			at = len(records) - 1 - i
		}
		list += ", " + records[at]
	}
	return strings.TrimPrefix(list, ", ")
}

// PostgreSQL refuses to assign what the shard is to get. What it has finished is stored, and stored
// again when it is sent again.
func TestUploadStaysWhenAssigningFails(t *testing.T) {
	for _, protocol := range protocols {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 3)
		pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1 WHERE id = 1")
		pgtest.Exec(t, pool, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$`)
		pgtest.Exec(t, pool, `CREATE TRIGGER refuse BEFORE UPDATE OF shard_id ON afe_hosts EXECUTE FUNCTION refuse()`)
		url := serve(t, pool, protocol)
		packet := heartbeat(fmt.Sprintf(`{"shard_hostname": "one", "jobs": [{"id": 1, "owner": "bob"}], "hqes": [%s]}`, strings.Join(
			pgtest.Query[[]string](t, pool, `SELECT array_agg(format('{"id": %s, "complete": true}', id) ORDER BY id) FROM afe_host_queue_entries WHERE job_id = 1`), ", ")))
		const ended = "SELECT bool_and(complete) AND bool_and(owner = 'bob') FROM afe_host_queue_entries JOIN afe_jobs AS j ON j.id = job_id WHERE job_id = 1"
		if r, err := post(t.Context(), url, "", packet); err != nil || r.Error == nil {
			t.Fatalf("%s: %v, %s, want an error of the trigger", protocol, err, r.body)
		}
		if !pgtest.Query[bool](t, pool, ended) {
			t.Errorf("%s: the upload is not stored", protocol)
		}
		pgtest.Exec(t, pool, "DROP TRIGGER refuse ON afe_hosts")
		if jobs := ids(t, call(t, url, packet), "jobs"); !slices.Equal(jobs, []int64{2, 3}) {
			t.Errorf("%s: jobs %v are sent, want 2 and 3", protocol, jobs)
		}
		if !pgtest.Query[bool](t, pool, ended) {
			t.Errorf("%s: the upload is not stored the second time", protocol)
		}
	}
}
