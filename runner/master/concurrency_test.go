package master_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// loadThirdShard gives what loadShared makes to a third shard too.
func loadThirdShard(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (3, 'three')`)
	pgtest.Exec(t, pool, `INSERT INTO afe_labels (id, name) VALUES (4, 'board:c')`)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (3, 4)`)
	pgtest.Exec(t, pool, `INSERT INTO afe_hosts_labels (host_id, label_id) SELECT id, 4 FROM afe_hosts`)
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs_dependency_labels (job_id, label_id) SELECT id, 4 FROM afe_jobs`)
}

// Six heartbeats of three shards, through the pools of two masters. Each host and each job goes to
// one of them, whoever had it before; also when they have to wait for each other because their user
// is new.
func TestConcurrentHeartbeatsShareNothing(t *testing.T) {
	const n, rounds = 20, 24
	for _, protocol := range protocols {
		databaseURL := pgtest.Database(t)
		pools := []*pgxpool.Pool{widePool(t, databaseURL), widePool(t, databaseURL)}
		loadShared(t, pools[0], n)
		loadThirdShard(t, pools[0])
		urls := []string{serve(t, pools[0], protocol), serve(t, pools[1], protocol)}
		for round := range rounds {
			owner := []any{nil, 1, 2}[round%3]
			pgtest.Exec(t, pools[0], "UPDATE afe_hosts SET shard_id = $1", owner)
			pgtest.Exec(t, pools[0], "UPDATE afe_jobs SET shard_id = $1", owner)
			user := "chromeos-test"
			if round%2 == 1 {
				user = fmt.Sprintf("new-%d", round)
			}
			replies := together(t, pools[0], sixBeats(urls, user))
			for _, section := range []string{"hosts", "jobs"} {
				sharedBy(t, replies, section, n, fmt.Sprintf("%s, round %d, of shard %v before", protocol, round, owner))
			}
		}
	}
}

// PostgreSQL gives a heartbeat's transaction up. What shard 2 got since it read what it may send is
// not taken by the second attempt.
func TestRetryTakesNothingThatWasTakenMeanwhile(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 2)
	pgtest.Exec(t, pool, "CREATE SEQUENCE attempts")
	pgtest.Exec(t, pool, `CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('attempts') = 1 THEN
			RAISE 'given up' USING ERRCODE = 'serialization_failure';
		END IF;
		RETURN NULL;
	END $$`)
	url := serve(t, pool, afe.Protocol2019)
	var ended <-chan outcome
	during(t, pool, func(ctx context.Context, tx pgx.Tx) (err error) {
		if ended, err = holdAfterReading(t, ctx, pool, tx, url); err != nil {
			return err
		}
		for _, sql := range []string{
			"UPDATE afe_hosts SET shard_id = 2 WHERE id = 1",
			"UPDATE afe_jobs SET shard_id = 2 WHERE id = 1",
			"CREATE TRIGGER fail_once BEFORE UPDATE ON afe_hosts EXECUTE FUNCTION fail_once()",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	r := await(t, ended)
	if hosts, jobs := ids(t, r, "hosts"), ids(t, r, "jobs"); !slices.Equal(hosts, []int64{2}) || !slices.Equal(jobs, []int64{2}) {
		t.Errorf("hosts %v and jobs %v sent, want only 2 of each", hosts, jobs)
	}
	if attempts := pgtest.Query[int](t, pool, "SELECT last_value FROM attempts"); attempts != 2 {
		t.Errorf("%d attempts, want 2", attempts)
	}
}

// Another heartbeat that ends between the reading of hosts and the reading of jobs overlaps this
// one too.
func TestHostsAndJobsAreReadInOneSnapshot(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 2)
	url := serve(t, pool, afe.Protocol2019)
	var ended <-chan outcome
	during(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		// Entries are read for the jobs only.
		if _, err := tx.Exec(ctx, "LOCK TABLE afe_host_queue_entries IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		ended = begin(t.Context(), beat{url, "chromeos-test", `{"shard_hostname": "one"}`})
		if err := waiters(ctx, pool, 1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE afe_jobs SET shard_id = 2 WHERE id = 1")
		return err
	})
	r := await(t, ended)
	if hosts, jobs := ids(t, r, "hosts"), ids(t, r, "jobs"); len(hosts) != 2 || !slices.Equal(jobs, []int64{2}) {
		t.Errorf("hosts %v and jobs %v sent, want both hosts and job 2", hosts, jobs)
	}
}

// A label is taken from the shard after the heartbeat has read what it may send: what carries only
// that label is neither sent nor assigned, and nothing fails.
func TestLabelRemovedInTheMiddle(t *testing.T) {
	for _, protocol := range protocols {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 5)
		// Label 3 is the shard's too. Host 2 and job 2 carry both; jobs 3 and 4 are fit by meta
		// host and by host.
		for _, sql := range []string{
			"INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 3)",
			"INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (2, 3)",
			"INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (2, 3)",
			"DELETE FROM afe_jobs_dependency_labels WHERE job_id IN (3, 4)",
			"UPDATE afe_host_queue_entries SET meta_host = 1 WHERE job_id = 3",
			"UPDATE afe_host_queue_entries SET host_id = 1 WHERE job_id = 4",
		} {
			pgtest.Exec(t, pool, sql)
		}
		url := serve(t, pool, protocol)
		var ended <-chan outcome
		during(t, pool, func(ctx context.Context, tx pgx.Tx) (err error) {
			if ended, err = holdAfterReading(t, ctx, pool, tx, url); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "DELETE FROM afe_shards_labels WHERE label_id = 1")
			return err
		})
		r := await(t, ended)
		sent := [][]int64{ids(t, r, "hosts"), ids(t, r, "jobs")}
		assigned := [][]int64{
			pgtest.Query[[]int64](t, pool, "SELECT array_agg(id ORDER BY id) FROM afe_hosts WHERE shard_id IS NOT NULL"),
			pgtest.Query[[]int64](t, pool, "SELECT array_agg(id ORDER BY id) FROM afe_jobs WHERE shard_id IS NOT NULL"),
		}
		want := [][]int64{{2}, {2}}
		if diff := cmp.Diff([][][]int64{want, want}, [][][]int64{sent, assigned}); diff != "" {
			t.Errorf("%s: sent and assigned, hosts and jobs (-want +given):\n%s", protocol, diff)
		}
	}
}

// The AFE takes a label away and then its hosts' shard, in one transaction. It waits for a
// heartbeat that is about to assign those hosts; otherwise it would miss them, and they stayed with
// a shard that has none of their labels.
func TestLabelIsNotRemovedDuringAssignment(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 3)
	url := serve(t, pool, afe.Protocol2019)
	var ended <-chan outcome
	removed := make(chan error, 1)
	during(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		// Whoever assigns a host to the shard waits here.
		if _, err := tx.Exec(ctx, "SELECT id FROM afe_shards WHERE id = 1 FOR UPDATE"); err != nil {
			return err
		}
		ended = begin(t.Context(), beat{url, "chromeos-test", `{"shard_hostname": "one"}`})
		if err := waiters(ctx, pool, 1); err != nil {
			return err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			removed <- pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), "DELETE FROM afe_shards_labels WHERE label_id = 1"); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), "UPDATE afe_hosts SET shard_id = NULL WHERE shard_id = 1")
				return err
			})
		}()
		waits := make(chan error, 1)
		go func() { waits <- waiters(ctx, pool, 2) }()
		select {
		case <-done:
			t.Error("the label was removed during the heartbeat")
			return nil
		case err := <-waits:
			return err
		}
	})
	if sent := ids(t, await(t, ended), "hosts"); len(sent) != 3 {
		t.Errorf("hosts %v sent, want 3", sent)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if left := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts WHERE shard_id = 1"); left != 0 {
		t.Errorf("%d hosts are a shard's that has none of their labels", left)
	}
}

// Whoever edits what belongs to a host or job locks its row first. What it commits while a
// heartbeat waits for the row is in the answer, or it would never be: the host is known from then
// on.
func TestAnswerHasWhatWasCommittedBeforeTheLock(t *testing.T) {
	for _, protocol := range protocols {
		for _, locks := range []string{"afe_hosts WHERE id = 1", "afe_jobs WHERE id = 1"} {
			pool := pgtest.Pool(t)
			loadShared(t, pool, 2)
			url := serve(t, pool, protocol)
			var ended <-chan outcome
			during(t, pool, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SELECT id FROM "+locks+" FOR NO KEY UPDATE"); err != nil {
					return err
				}
				ended = begin(t.Context(), beat{url, "chromeos-test", `{"shard_hostname": "one"}`})
				if err := waiters(ctx, pool, 1); err != nil {
					return err
				}
				for _, sql := range []string{
					"INSERT INTO afe_labels (id, name) VALUES (77, 'label of late')",
					"INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 77)",
					"INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (1, 'servo', 'attribute of late')",
					"INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (1, 77)",
					"INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (1, 'k', 'keyval of late')",
					"INSERT INTO afe_host_queue_entries (id, job_id, meta_host, status) VALUES (777, 1, 77, 'entry of late')",
				} {
					if _, err := tx.Exec(ctx, sql); err != nil {
						return err
					}
				}
				return nil
			})
			r := await(t, ended)
			for _, want := range []string{"label", "attribute", "keyval", "entry"} {
				if !strings.Contains(string(r.body), want+" of late") {
					t.Errorf("%s, %s: the answer lacks the %s that was committed before the lock", protocol, locks, want)
				}
			}
		}
	}
}

// Statements that write lock rows in the order of their ids, however these lie in the table, or
// heartbeats and edits would meet in deadlocks.
func TestRowsAreLockedInTheOrderOfIDs(t *testing.T) {
	upload := `{"shard_hostname": "one", "jobs": [{"id": 1}, {"id": 2}, {"id": 3}], "hqes": [{"id": 1}, {"id": 2}, {"id": 3}]}`
	for _, c := range []struct{ table, arguments string }{
		{"afe_jobs", `{"shard_hostname": "one"}`}, {"afe_hosts", `{"shard_hostname": "one"}`},
		{"afe_jobs", upload}, {"afe_host_queue_entries", upload},
	} {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 3)
		pgtest.Exec(t, pool, "DELETE FROM afe_host_queue_entries WHERE id NOT IN (SELECT min(id) FROM afe_host_queue_entries GROUP BY job_id)")
		pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET id = job_id")
		for _, table := range []string{"afe_jobs", "afe_hosts", "afe_host_queue_entries"} {
			for _, id := range []int{3, 2, 1} { // each version comes after those before it
				pgtest.Exec(t, pool, fmt.Sprintf("UPDATE %s SET id = id WHERE id = %d", table, id))
			}
		}
		pgtest.Exec(t, pool, "ANALYZE")
		url := serve(t, pool, afe.Protocol2019)
		var ended <-chan outcome
		during(t, pool, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT FROM "+c.table+" WHERE id = 1 FOR NO KEY UPDATE"); err != nil {
				return err
			}
			ended = begin(t.Context(), beat{url, "chromeos-test", c.arguments})
			if err := waiters(ctx, pool, 1); err != nil {
				return err
			}
			free := pgtest.Query[int](t, pool, "SELECT count(*) FROM (SELECT FROM "+c.table+" WHERE id > 1 FOR NO KEY UPDATE SKIP LOCKED) AS free")
			if free != 2 {
				t.Errorf("%s, %s: a heartbeat that waits for row 1 has locked %d of the rows after it", c.arguments, c.table, 2-free)
			}
			return nil
		})
		await(t, ended)
	}
}
