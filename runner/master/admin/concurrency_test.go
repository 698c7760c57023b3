package admin_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

// Edits lock in the order of the heartbeat. A deadlock would be repeated and so seen by nobody but
// PostgreSQL, which counts them.
func TestEditsBesideHeartbeatsDoNotDeadlock(t *testing.T) {
	const rounds = 15
	l := twoShards(t)
	jobs := make([]admin.NewJob, 20)
	for i := range jobs {
		jobs[i] = admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, Hosts: []string{"a1", "a2"}}
	}
	ids := got(l.CreateJobs(t.Context(), jobs...)).ok(l)
	uploads := ""
	for _, id := range ids {
		uploads += fmt.Sprintf(`, {"id": %d}`, id)
	}
	// Each upload takes back the marks of an abort, so that there is something to abort again.
	entries := pgtest.Query[string](l.T, l.pool, `SELECT string_agg('{"id": ' || id || ', "status": "Queued", "aborted": false}', ', ' ORDER BY id DESC) FROM afe_host_queue_entries`)
	upload := fmt.Sprintf(`"jobs": [%s], "hqes": [%s]`, uploads[2:], entries)

	ctx := t.Context()
	var group sync.WaitGroup
	repeat := func(name string, do func(round int) error) {
		group.Go(func() {
			for round := range rounds {
				if err := do(round); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	for _, shard := range []string{"one", "two"} {
		repeat("heartbeat of "+shard, func(round int) error {
			_, err := l.beat(ctx, shard, l.statuses(round)+", "+upload)
			return err
		})
	}
	repeat("move", func(round int) error {
		_, err := l.MoveHosts(ctx, []string{"board:b", "board:a"}[round%2], "a2", "a1", "b1")
		return err
	})
	repeat("lock", func(int) error { _, err := l.LockHosts(ctx, "bob", "r", "b1", "a2", "a1"); return err })
	repeat("unlock", func(int) error { _, err := l.UnlockHosts(ctx, "a2", "b1", "a1"); return err })
	repeat("abort", func(int) error { _, err := l.AbortJobs(ctx, "bob", ids...); return err })
	repeat("label", func(round int) error {
		if _, err := l.AddShard(ctx, "three", "pool:x"); err != nil {
			return err
		}
		if _, err := l.RemoveLabelsFromShard(ctx, "three", "pool:x"); err != nil {
			return err
		}
		_, err := l.RemoveShard(ctx, "three")
		return err
	})
	repeat("add", func(round int) error {
		host := fmt.Sprintf("h%d", round)
		if _, err := l.AddHosts(ctx, admin.NewHost{Hostname: host, Labels: []string{"pool:x"}}); err != nil {
			return err
		}
		_, err := l.RemoveHosts(ctx, "bob", host)
		return err
	})
	group.Wait()
	l.want("deadlocks", int64(0), l.deadlocks())
}

// statuses are known hosts with statuses that change with every round, so that they are stored.
func (l *lab) statuses(round int) string {
	return fmt.Sprintf(`"known_host_ids": [3, 1, 2], "known_host_statuses": ["S%[1]d", "S%[1]d", "S%[1]d"]`, round)
}

// deadlocks closes all connections, because each reports what it counted when it ends, and asks
// over a new one.
func (l *lab) deadlocks() int64 {
	l.Helper()
	config := l.pool.Config().ConnConfig
	l.pool.Close()
	connection, err := pgx.ConnectConfig(l.Context(), config)
	if err != nil {
		l.Fatal(err)
	}
	defer connection.Close(l.Context())
	var count int64
	for others := 1; others > 0; {
		if err := connection.QueryRow(l.Context(), `SELECT count(*) FROM pg_stat_activity, pg_sleep(0.002)
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&others); err != nil {
			l.Fatal(err)
		}
	}
	if err := connection.QueryRow(l.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&count); err != nil {
		l.Fatal(err)
	}
	return count
}

// Two programs may set up the same lab at the same time.
func TestTheSameEditsAtOnce(t *testing.T) {
	l := newLab(t)
	var group sync.WaitGroup
	var added atomic.Int64
	for range 4 {
		group.Go(func() {
			for round := range 20 {
				isNew, err := l.setUp(round)
				if err != nil {
					t.Error(err)
					return
				}
				if isNew {
					added.Add(1)
				}
			}
		})
	}
	group.Wait()
	l.want("hosts added", int64(20), added.Load())
	l.want("rows", "20 20 20 20 20 80 1", pgtest.Query[string](l.T, l.pool, `SELECT concat_ws(' ', (SELECT count(*) FROM afe_labels), (SELECT count(*) FROM afe_shards),
		(SELECT count(*) FROM afe_shards_labels), (SELECT count(*) FROM afe_hosts), (SELECT count(*) FROM afe_hosts_labels),
		(SELECT count(*) FROM afe_jobs), (SELECT count(*) FROM afe_users))`))
}

// setUp makes a shard with a host and a job, and reports whether the host was new.
func (l *lab) setUp(n int) (bool, error) {
	ctx := l.Context()
	label, shard, host := fmt.Sprintf("board:%d", n), fmt.Sprintf("s%d", n), fmt.Sprintf("h%d", n)
	if _, err := l.AddLabels(ctx, admin.NewLabel{Name: label}); err != nil {
		return false, err
	}
	if _, err := l.AddShard(ctx, shard, label); err != nil {
		return false, err
	}
	changes, err := l.AddHosts(ctx, admin.NewHost{Hostname: host, Labels: []string{label}})
	if err != nil {
		return false, err
	}
	_, err = l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Hosts: []string{host}})
	return changes[0].Outcome == admin.Added, err
}

// counter counts what is sent to the server.
type counter struct{ statements atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *counter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	c.statements.Add(1)
	return ctx
}
func (*counter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

func TestStatementsDoNotGrow(t *testing.T) {
	statements := func(n int) int64 {
		config, err := pgxpool.ParseConfig(pgtest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		count := &counter{}
		config.ConnConfig.Tracer = count
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		people, err := admin.New(pool)
		if err != nil {
			t.Fatal(err)
		}
		everyEdit(t, people, n)
		return count.statements.Load()
	}
	small, large := statements(1), statements(500)
	t.Logf("%d statements", large)
	if small != large {
		t.Errorf("%d statements for 1 object of each kind, %d for 500", small, large)
	}
}

// everyEdit edits n objects of each kind.
func everyEdit(t *testing.T, a *admin.Admin, n int) {
	t.Helper()
	ctx := t.Context()
	l := &lab{T: t}
	var labels []admin.NewLabel
	var users []admin.NewUser
	var hosts []admin.NewHost
	var children []admin.NewJob
	var names, hostnames []string
	for i := range n {
		name := fmt.Sprintf("%03d", i)
		names, hostnames = append(names, "l"+name), append(hostnames, "h"+name)
		labels = append(labels, admin.NewLabel{Name: "l" + name})
		users = append(users, admin.NewUser{Login: "u" + name, Superuser: true, ACLGroups: []string{"g" + name}})
		hosts = append(hosts, admin.NewHost{
			Hostname: "h" + name, Labels: []string{"l" + name}, ACLGroups: []string{"g" + name, admin.Everyone}, Attributes: map[string]string{"a": "b"},
		})
		children = append(children, admin.NewJob{
			Name: "c" + name, Owner: "o" + name, Dependencies: []string{"l" + name}, MetaHosts: []string{"l" + name}, Hosts: []string{"h" + name}, Keyvals: map[string]string{"k": "v"},
		})
	}
	got(a.AddLabels(ctx, append(labels, admin.NewLabel{Name: "board:z"})...)).ok(l)
	got(a.AddUsers(ctx, users...)).ok(l)
	got(a.AddHosts(ctx, hosts...)).ok(l)
	got(a.AddShard(ctx, "s", names...)).ok(l)
	suite := got(a.CreateSuite(ctx, admin.NewSuite{Parent: admin.NewJob{Name: "p", Owner: "o"}, Children: children})).ok(l)
	got(a.LockHosts(ctx, "bob", "r", hostnames...)).ok(l)
	got(a.UnlockHosts(ctx, hostnames...)).ok(l)
	got(a.MoveHosts(ctx, "board:z", hostnames...)).ok(l)
	got(a.DetachLabel(ctx, "board:z", hostnames...)).ok(l)
	got(a.AttachLabel(ctx, "board:z", hostnames...)).ok(l)
	got(a.AbortJobs(ctx, "bob", suite.ParentID)).ok(l)
	got(a.RemoveLabelsFromShard(ctx, "s", names...)).ok(l)
	got(a.RemoveHosts(ctx, "bob", hostnames...)).ok(l)
	got(a.RemoveShard(ctx, "s")).ok(l)
	got(a.Jobs(ctx, admin.JobFilter{})).ok(l)
	got(a.Hosts(ctx)).ok(l)
}
