package shard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// locks runs a statement in a transaction that stays open until release.
func locks(t *testing.T, pool *pgxpool.Pool, sql string) (release func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tag, err := tx.Exec(t.Context(), sql)
	if err != nil || strings.HasPrefix(sql, "SELECT") && tag.RowsAffected() == 0 {
		t.Fatalf("%s: %d rows, %v", sql, tag.RowsAffected(), err)
	}
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// busyShard has 50 finished jobs, the last of which has an open entry, too, and what its master's
// answer needs: new hosts and jobs, an abort, an attribute and a suite keyval that change, and a
// host that is not ours any more.
func busyShard(t *testing.T) (*pgxpool.Pool, *statements, *scriptedMaster, *shard.Client) {
	t.Helper()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	o := options()
	o.LockTimeout = 20 * time.Millisecond
	boundSessions(t, pool, o.LockTimeout)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	makeBusy(t, pool, master, client)
	return pool, seen, master, client
}

// boundSessions lets the sessions of a pool wait for locks no longer than those of the program,
// also while a statement is parsed, before the transaction begins that it is for.
func boundSessions(t *testing.T, pool *pgxpool.Pool, wait time.Duration) {
	t.Helper()
	pgtest.Exec(t, pool, fmt.Sprintf(
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET lock_timeout = %d', current_database()); END $$`, wait.Milliseconds()))
	pool.Reset()
}

func makeBusy(t *testing.T, pool *pgxpool.Pool, master *scriptedMaster, client *shard.Client) {
	t.Helper()
	master.saysResult(result(
		[]string{labelled(1, 1, "l1", 1, "g1", user(1, "alice")), labelled(2, 2, "l2", 2, "g2", user(2, "bob")), labelled(9, 2, "l2", 2, "g2")},
		[]string{job(71, entry(1071), entry(1072))}, []string{`{"id": 1, "job_id": 77, "key": "a", "value": "1"}`}))
	mustBeat(t, client)
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, created_on) SELECT n, now() FROM generate_series(1, 50) AS n`)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT n, n, 'Completed', true FROM generate_series(1, 50) AS n UNION ALL SELECT 51, 50, 'Running', false`)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (1, 'a', '1')`)
	pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
		VALUES ('in', 'job', 62, 'malformed', '', '', 0, '')`)
}

func busyAnswer() string {
	host1 := strings.Replace(labelled(1, 1, "l1", 1, "g1"), `"labels"`, `"hostattribute_set": [{"attribute": "a", "value": "2"}], "labels"`, 1)
	host3 := labelled(3, 1, "l1", 1, "g1", user(1, "alice"), user(2, "bob"))
	job61 := strings.Replace(job(61, entry(1061, `"host_id": 1`)), `"dependency_labels": []`, `"dependency_labels": [{"id": 1, "name": "l1"}]`, 1)
	return result([]string{host1, host3, labelled(4, 4, "l4", 4, "g4", user(4, "carol"))},
		[]string{job61, job(62, entry(1062, `"host_id": 2`)), ofASuite(job(63, entry(1063))), job(71, entry(1071, `"aborted": true`), entry(1073))},
		[]string{`{"id": 1, "job_id": 77, "key": "a", "value": "2"}`}, "9")
}

// left lists what a beat with that answer has not done.
func left(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return pgtest.Query[string](t, pool, `SELECT coalesce(string_agg(what, ', ' ORDER BY place, what), '') FROM (
		SELECT 1, 'acknowledge ' || CASE count(*) WHEN 1 THEN 'job ' || min(id) ELSE count(*) || ' jobs' END
			FROM afe_jobs WHERE id <= 50 AND shard_id IS NULL HAVING count(*) > 0
		UNION ALL SELECT 2, 'host ' || id FROM unnest('{3,4}'::bigint[]) AS n (id)
			WHERE NOT EXISTS (SELECT FROM afe_hosts AS h JOIN afe_hosts_labels AS l ON l.host_id = h.id WHERE h.id = n.id)
		UNION ALL SELECT 3, 'job ' || id FROM unnest('{61,62,63}'::bigint[]) AS n (id)
			WHERE NOT EXISTS (SELECT FROM afe_jobs AS j JOIN afe_host_queue_entries AS e ON e.job_id = j.id WHERE j.id = n.id)
		UNION ALL SELECT 4, 'abort' FROM afe_host_queue_entries WHERE id = 1071 AND NOT aborted
		UNION ALL SELECT 5, 'new entry' WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries WHERE id = 1073)
		UNION ALL SELECT 6, 'attribute' FROM afe_host_attributes WHERE value <> '2'
		UNION ALL SELECT 7, 'keyval' FROM afe_job_keyvals WHERE job_id = 77 AND value <> '2'
		UNION ALL SELECT 8, 'incorrect host' FROM afe_hosts WHERE id = 9 AND NOT invalid
	) AS all_of_it (place, what)`)
}

// A session that is idle in its transaction has locked one row. What needs that row is left for the
// next beat; everything else is acknowledged and stored. The beat is not ok, and says which row.
func TestOneLockedRowHoldsUpOnlyWhatNeedsIt(t *testing.T) {
	t.Parallel()
	pool, _, master, client := busyShard(t)
	for lock, want := range map[string]string{
		"SELECT FROM afe_host_queue_entries WHERE id = 7 FOR UPDATE":                 "acknowledge job 7",
		"UPDATE afe_host_queue_entries SET deleted = true WHERE id = 7":              "acknowledge job 7",
		"SELECT FROM afe_jobs WHERE id = 7 FOR UPDATE":                               "acknowledge job 7",
		"UPDATE afe_jobs SET priority = 1 WHERE id = 7":                              "acknowledge job 7",
		"UPDATE afe_host_queue_entries SET deleted = true WHERE id = 51":             "acknowledge job 50",
		"SELECT FROM afe_jobs WHERE id = 50 FOR UPDATE":                              "acknowledge job 50",
		"SELECT FROM afe_labels WHERE id = 1 FOR UPDATE":                             "host 3, job 61",
		"UPDATE afe_labels SET only_if_needed = true WHERE id = 1":                   "",
		"UPDATE afe_labels SET name = 'x' WHERE id = 1":                              "host 3, job 61",
		"UPDATE afe_hosts SET status = 'Running' WHERE id = 1":                       "",
		"SELECT FROM afe_hosts WHERE id = 1 FOR UPDATE":                              "job 61, attribute",
		"SELECT FROM afe_hosts WHERE id = 2 FOR UPDATE":                              "job 62",
		"SELECT FROM afe_acl_groups WHERE id = 1 FOR UPDATE":                         "host 3, attribute",
		"SELECT FROM afe_users WHERE id = 2 FOR UPDATE":                              "host 3",
		"SELECT FROM afe_users WHERE id = 1 FOR UPDATE":                              "",
		"SELECT FROM afe_shards WHERE id = 1 FOR UPDATE":                             "acknowledge 50 jobs, host 3, host 4, job 61, job 62, job 63",
		"UPDATE afe_host_attributes SET value = 'x'":                                 "attribute",
		"UPDATE afe_job_keyvals SET value = 'x' WHERE job_id = 77":                   "job 63, keyval",
		"UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1071":       "abort, new entry",
		"UPDATE afe_host_queue_entries SET status = 'Running' WHERE id = 1072":       "",
		"UPDATE afe_jobs SET priority = 1 WHERE id = 71":                             "",
		"SELECT FROM afe_jobs WHERE id = 71 FOR UPDATE":                              "abort, new entry",
		"UPDATE afe_hosts SET status = 'Running' WHERE id = 9":                       "incorrect host",
		"SELECT FROM afe_hosts_labels WHERE host_id = 9 FOR UPDATE":                  "incorrect host",
		"SELECT FROM afe_acl_groups_hosts WHERE host_id = 9 FOR UPDATE":              "incorrect host",
		"DELETE FROM shard_client_quarantine":                                        "",
		"UPDATE afe_hosts SET status = 'Running'":                                    "incorrect host",
		"UPDATE afe_host_queue_entries SET deleted = true WHERE id BETWEEN 1 AND 50": "acknowledge 50 jobs",
		"DELETE FROM afe_acl_groups_users WHERE user_id = 1":                         "",
		"SELECT FROM afe_host_queue_entries WHERE id IN (3, 1071) FOR UPDATE":        "acknowledge job 3, abort, new entry",
	} {
		t.Run(lock, func(t *testing.T) {
			empty(t, pool)
			makeBusy(t, pool, master, client)
			master.saysResult(busyAnswer())
			release := locks(t, pool, lock)
			b := client.Beat(t.Context(), time.Now())
			if got := left(t, pool); got != want {
				t.Errorf("left: %s; want: %s; %s", got, want, b.Error)
			}
			_, row, _ := strings.Cut(lock, " afe_")
			row, _, _ = strings.Cut(row, " ")
			switch {
			case want == "" && !b.OK():
				t.Errorf("a beat that left nothing: %s: %s", b.Failure, b.Error)
			case want != "" && (b.Failure != beat.FailureLocked || !strings.Contains(b.Error, "afe_"+row)):
				t.Errorf("%q: %s; want locked, and the row", b.Failure, b.Error)
			}
			release()
			mustBeat(t, client)
			if got := left(t, pool); got != "" {
				t.Errorf("after the next beat: %s", got)
			}
		})
	}
}

// The shard's own row is in the way of nearly everything. The error names it, and says what to do,
// when there is nothing but an upload, too.
func TestTheRowOfTheShardIsNamed(t *testing.T) {
	t.Parallel()
	pool, _, master, client := busyShard(t)
	master.saysResult(result(nil, nil, nil))
	release := locks(t, pool, "SELECT FROM afe_shards WHERE id = 1 FOR UPDATE")
	b := client.Beat(t.Context(), time.Now())
	if b.Failure != beat.FailureLocked || !strings.Contains(b.Error, "another session has locked row afe_shards 1; shard-client sessions list shows") {
		t.Errorf("%q: %s", b.Failure, b.Error)
	}
	release()
	mustBeat(t, client)
}

// A shard that has a new id does not move by halves. What is in the way is named, and what to do.
func TestWhatIsInTheWayOfAMoveIsNamed(t *testing.T) {
	t.Parallel()
	pool, _, master, client := busyShard(t)
	master.saysResult(result([]string{strings.ReplaceAll(host(1, "h1"), `"shard": {"id": 1,`, `"shard": {"id": 8,`)}, nil, nil))
	release := locks(t, pool, "UPDATE afe_hosts SET status = 'Running' WHERE id = 2")
	b := client.Beat(t.Context(), time.Now())
	release()
	if b.Failure != beat.FailureLocked || !strings.Contains(b.Error, `"afe_hosts"`) || !strings.Contains(b.Error, "sessions list") {
		t.Errorf("%q: %s", b.Failure, b.Error)
	}
}

// A row that another session has inserted and not committed is seen by no look: whatever has the
// same key waits for it, in vain. Only that is left, and comes with the next beat.
func TestAnUncommittedKeyHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	const here = "SELECT (SELECT count(*) FROM afe_jobs) || ' jobs, ' || (SELECT count(*) FROM afe_hosts) || ' hosts'"
	for insert, want := range map[string]string{
		"afe_jobs (id, created_on) VALUES (7, now())":               "12 jobs, 3 hosts",
		"afe_jobs (id, created_on) VALUES (15, now())":              "13 jobs, 3 hosts",
		"afe_host_queue_entries (id, job_id) VALUES (1003, 14)":     "12 jobs, 3 hosts",
		"afe_hosts (id, hostname) VALUES (2, 'other')":              "13 jobs, 2 hosts",
		"afe_users (id, login) VALUES (77, 'bob')":                  "13 jobs, 2 hosts",
		"afe_labels (id, name) VALUES (77, 'm')":                    "13 jobs, 2 hosts",
		"afe_acl_groups (id, name) VALUES (2, 'other')":             "13 jobs, 2 hosts",
		"afe_acl_groups (id, name) VALUES (77, 'as nobody else')":   "13 jobs, 3 hosts",
		"afe_job_keyvals (job_id, key, value) VALUES (14, 'k', '')": "13 jobs, 3 hosts",
	} {
		t.Run(insert, func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			o := options()
			o.LockTimeout = 20 * time.Millisecond
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
			pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on) VALUES (14, now())")
			master.saysResult(result([]string{
				labelled(1, 1, "l", 1, "g", user(3, "alice")), labelled(2, 2, "m", 2, "h", user(4, "bob")),
				labelled(3, 1, "l", 1, "g", user(3, "alice")),
			}, goodJobs(12), nil))
			release := locks(t, pool, "INSERT INTO "+insert)
			b := client.Beat(t.Context(), time.Now())
			release()
			if got := pgtest.Query[string](t, pool, here); got != want {
				t.Errorf("%s, %q %s; want %s", got, b.Failure, b.Error, want)
			}
			if complete := want == "13 jobs, 3 hosts"; complete != b.OK() || !complete && b.Failure != beat.FailureLocked {
				t.Errorf("%q %s", b.Failure, b.Error)
			}
			mustBeat(t, client)
			if got := pgtest.Query[string](t, pool, here); got != "13 jobs, 3 hosts" {
				t.Errorf("after the next beat: %s", got)
			}
		})
	}
}

// However many objects name what is not committed, all others are stored in the same beat.
func TestAnUncommittedLabelOfManyJobs(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.LockTimeout = 20 * time.Millisecond
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	jobs := goodJobs(150)
	for i := 0; i < len(jobs); i += 5 {
		jobs[i] = depends(t, jobs[i], 6, "new")
	}
	master.saysResult(result(nil, jobs, nil))
	release := locks(t, pool, "INSERT INTO afe_labels (id, name) VALUES (77, 'new')")
	b := client.Beat(t.Context(), time.Now())
	release()
	if got := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs"); got != 120 || b.Failure != beat.FailureLocked {
		t.Errorf("%d jobs stored, %q %s; want the 120 that do not name the label", got, b.Failure, b.Error)
	}
	mustBeat(t, client)
	if got := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs"); got != 150 {
		t.Errorf("%d jobs after the next beat", got)
	}
}
