package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/gen/labdb"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// lossy is a connection that is lost at one statement, before it is done or after.
type lossy struct {
	labdb.DBTX
	left int // statements until then; -1: never
	done bool
}

var errLost = errors.New("connection lost")

// isLost counts a statement.
func (l *lossy) isLost() bool {
	lost := l.left == 0
	l.left = max(-1, l.left-1)
	return lost
}

func (l *lossy) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if !l.isLost() {
		return l.DBTX.Exec(ctx, sql, args...)
	}
	if l.done {
		if _, err := l.DBTX.Exec(ctx, sql, args...); err != nil {
			return pgconn.CommandTag{}, err
		}
	}
	return pgconn.CommandTag{}, errLost
}

// Query is a statement too when it leases a host.
func (l *lossy) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if len(args) == 0 || !l.isLost() {
		return l.DBTX.Query(ctx, sql, args...)
	}
	if l.done {
		rows, err := l.DBTX.Query(ctx, sql, args...)
		if err != nil {
			return nil, err
		}
		rows.Close()
	}
	return nil, errLost
}

const (
	randomHosts = 6
	randomJobs  = 16
)

// randomLab returns jobs of all kinds, each of which can run: for each there are enough hosts that
// fit it. Host labels: 1 all, 2 the lower half, 3 the odd ones. ACL groups: 1 Everyone, 2 alice's;
// the last host is alice's alone.
func randomLab(random *rand.Rand) string {
	var sql strings.Builder
	sql.WriteString(`
		INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1');
		INSERT INTO afe_labels (id, name) VALUES (1, 'board:a'), (2, 'pool:b'), (3, 'odd');
		INSERT INTO afe_users (id, login) VALUES (1, 'alice'), (2, 'bob');
		INSERT INTO afe_acl_groups (id, name) VALUES (1, 'Everyone'), (2, 'lab');
		INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (2, 1);`)
	fmt.Fprintf(&sql, `
		INSERT INTO afe_hosts (id, hostname, leased, shard_id) SELECT n, 'h' || n, false, 1 FROM generate_series(1, %[1]d) AS n;
		INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1 FROM generate_series(1, %[1]d) AS n;
		INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 2 FROM generate_series(1, %[1]d / 2) AS n;
		INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 3 FROM generate_series(1, %[1]d, 2) AS n;
		INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id)
			SELECT n, CASE WHEN n = %[1]d THEN 2 ELSE 1 END FROM generate_series(1, %[1]d) AS n;`, randomHosts)
	for id := int64(1); id <= randomJobs; id++ {
		sql.WriteString(randomJob(random, id))
	}
	return sql.String()
}

func randomJob(random *rand.Rand, id int64) string {
	owner := []string{"alice", "bob", "nobody"}[random.IntN(3)]
	label := 1 + random.IntN(3)
	fits := map[int][]int{1: {1, 2, 3, 4, 5}, 2: {1, 2, 3}, 3: {1, 3, 5}}[label]
	if owner == "alice" && label == 1 {
		fits = append(fits, randomHosts)
	}
	random.Shuffle(len(fits), func(i, j int) { fits[i], fits[j] = fits[j], fits[i] })
	entries := 1 + random.IntN(len(fits))
	var sql strings.Builder
	fmt.Fprintf(&sql, "INSERT INTO afe_jobs (id, owner, name, created_on, shard_id, priority, synch_count) VALUES (%d, '%s', 'job', now(), 1, %d, %d);\n",
		id, owner, 10*random.IntN(3), random.IntN(entries+1))
	depends := random.IntN(2) == 0
	if depends {
		fmt.Fprintf(&sql, "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (%d, %d);\n", id, label)
	}
	for n := range entries {
		host, metaHost := "NULL", "NULL"
		switch kind := random.IntN(3); {
		case kind == 0:
			host = fmt.Sprint(fits[n])
		case kind == 1 || !depends:
			metaHost = fmt.Sprint(label)
		}
		fmt.Fprintf(&sql, "INSERT INTO afe_host_queue_entries (id, job_id, status, host_id, meta_host) VALUES (%d, %d, 'Queued', %s, %s);\n",
			100*id+int64(n), id, host, metaHost)
	}
	return sql.String()
}

// disturb does what clients and operators do between two turns.
func (d *desk) disturb(random *rand.Rand, aborts bool) {
	entry := func() int64 { return 100*(1+random.Int64N(randomJobs)) + random.Int64N(randomHosts) }
	host := 1 + random.Int64N(randomHosts)
	kinds := 9
	if aborts {
		kinds = 12
	}
	switch random.IntN(kinds) {
	case 0, 1, 2:
		pgtest.Exec(d.t, d.pool, acknowledges)
	case 3:
		pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET locked = true WHERE id = $1", host)
	case 4, 5:
		pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET invalid = false, locked = false WHERE id = $1", host)
	case 9:
		pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE id = $1 AND NOT complete", entry())
	case 10:
		pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE job_id = $1 AND NOT complete", 1+random.Int64N(randomJobs))
	case 11: // moved away
		pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET invalid = true WHERE id = $1", host)
		pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET aborted = true WHERE host_id = $1 AND NOT complete", host)
	}
}

// always is what holds after every turn.
func (d *desk) always() {
	d.t.Helper()
	d.must("no two entries that have begun share a host",
		"SELECT host_id FROM afe_host_queue_entries WHERE NOT complete AND execution_subdir <> '' GROUP BY host_id HAVING count(*) > 1")
	d.must("the host of an entry that has begun is leased for it", `
		SELECT e.id, h.id AS host_id, h.synch_id FROM afe_host_queue_entries AS e JOIN afe_hosts AS h ON h.id = e.host_id
		WHERE NOT e.complete AND e.execution_subdir <> '' AND (NOT h.leased OR h.synch_id IS DISTINCT FROM e.id)`)
}

// atTheEnd is what holds when nothing is left to do.
func (d *desk) atTheEnd() {
	d.t.Helper()
	d.must("every entry has ended", `
		SELECT * FROM afe_host_queue_entries WHERE NOT complete OR active
			OR status NOT IN ('Completed', 'Failed', 'Aborted', 'Stopped') OR (started_on IS NULL) <> (finished_on IS NULL)`)
	d.must("every host is free", "SELECT * FROM afe_hosts WHERE leased OR synch_id IS NOT NULL OR status <> 'Ready'")
	d.must("each statement commits by itself",
		"SELECT transaction FROM audit WHERE program = 'scheduler' GROUP BY transaction HAVING count(*) > 1")
	d.must("the scheduler writes what the contract allows", `
		SELECT a.* FROM audit AS a WHERE program = 'scheduler' AND (
			operation <> 'UPDATE'
			OR changed - CASE of_table
				WHEN 'afe_hosts' THEN '{status,leased,synch_id}'::text[]
				WHEN 'afe_host_queue_entries' THEN '{status,active,complete,execution_subdir,started_on,finished_on,host_id}'
				WHEN 'afe_jobs' THEN '{shard_id}'
				ELSE '{}'
			END <> '{}'
			OR of_table = 'afe_jobs' AND changed -> 'shard_id' <> 'null')`)
	d.must("a complete entry is left alone", `
		SELECT a.* FROM audit AS a JOIN audit AS completed ON completed.of_table = a.of_table AND completed.id = a.id
		WHERE completed.of_table = 'afe_host_queue_entries' AND completed.changed -> 'complete' = 'true' AND a.n > completed.n`)
	d.must("an entry has one host, and one that began elsewhere keeps it", `
		SELECT id FROM audit WHERE of_table = 'afe_host_queue_entries' AND changed ? 'host_id' GROUP BY id HAVING count(*) > 1`)
	d.must("a job whose entries have ended asked for an upload after the last one, or had asked before the client last acknowledged", `
		SELECT j.id FROM afe_jobs AS j
		WHERE NOT EXISTS (SELECT FROM audit AS a WHERE a.of_table = 'afe_jobs' AND a.id = j.id AND a.changed -> 'shard_id' = 'null')`)
}

// together is what holds of jobs with a synch_count, unless an entry was aborted while its group
// was being marked: entries run in whole groups, and no entry runs before the group is complete.
func (d *desk) together() {
	d.t.Helper()
	d.must("entries run in groups of synch_count", `
		SELECT j.id, j.synch_count, count(e.started_on) AS started
		FROM afe_jobs AS j JOIN afe_host_queue_entries AS e ON e.job_id = j.id
		WHERE j.synch_count > 1 GROUP BY j.id HAVING count(e.started_on) % j.synch_count <> 0`)
	d.must("a group begins together", `
		SELECT * FROM (
			SELECT j.id, j.synch_count, a.n,
				count(*) FILTER (WHERE a.changed ->> 'status' = 'Running') OVER w AS running,
				count(*) FILTER (WHERE a.changed ? 'started_on') OVER w AS started
			FROM audit AS a
			JOIN afe_host_queue_entries AS e ON a.of_table = 'afe_host_queue_entries' AND e.id = a.id
			JOIN afe_jobs AS j ON j.id = e.job_id
			WHERE j.synch_count > 1
			WINDOW w AS (PARTITION BY j.id ORDER BY a.n)
		) AS x WHERE ceil(running / synch_count::numeric) * synch_count > started`)
}

// Whatever is drawn, and whatever clients, operators, lost statements and restarts do in between,
// every entry ends by the contract.
func TestEveryEntryEnds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			aborts, restarts, losses := seed%4 != 0, seed%2 == 0, seed%4 == 0 || seed%4 == 3
			d := newDesk(t, randomLab(random))
			lost := &lossy{DBTX: d.schedules}
			restart := func() *scheduler.Scheduler {
				return start(t, lost, scheduler.Options{Seed: seed, FailShare: 0.2, Now: d.now})
			}
			s := restart()
			for range 120 {
				lost.left, lost.done = -1, random.IntN(2) == 0
				if losses && random.IntN(2) == 0 {
					lost.left = random.IntN(12)
				}
				if restarts && random.IntN(4) == 0 {
					s = restart()
				}
				if _, err := s.Turn(t.Context()); err != nil && !errors.Is(err, errLost) {
					t.Fatal(err)
				}
				d.always()
				d.disturb(random, aborts)
			}
			lost.left = -1
			pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET invalid = false, locked = false")
			d.run(s, func() { pgtest.Exec(d.t, d.pool, acknowledges) })
			d.atTheEnd()
			if !aborts || !losses {
				d.together()
			}
			d.turn(s)
			if n := scheduler.Remembered(s); n != 0 {
				t.Errorf("%d things are remembered when nothing is left to do", n)
			}
		})
	}
}

// A scheduler that is another one in every turn gets everything done.
func TestRestartInEveryTurn(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	d := newDesk(t, randomLab(random))
	o := scheduler.Options{Seed: 7, FailShare: 0.2}
	for range maxTurns {
		if work := d.turn(d.scheduler(o)); work.Open == 0 && work.Busy == 0 {
			break
		}
	}
	d.atTheEnd()
	d.together()
}

// The same seed and the same tables make the same statements; another seed makes others.
func TestReproducible(t *testing.T) {
	t.Parallel()
	written := func(seed uint64) []string {
		d := newDesk(t, randomLab(rand.New(rand.NewPCG(3, 3))))
		d.run(d.scheduler(scheduler.Options{Seed: seed, FailShare: 0.3}), nil)
		return d.written()
	}
	one, again, other := written(1), written(1), written(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("the same seed writes something else:\n%s", diff)
	}
	if cmp.Equal(one, other) {
		t.Error("two seeds write the same")
	}
}
