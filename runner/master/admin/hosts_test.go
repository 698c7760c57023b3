package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

func TestAddHosts(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	// A user who called before there was a group of everyone.
	pgtest.Exec(l.T, l.pool, "INSERT INTO afe_users (login) VALUES ('early')")
	got(l.AddLabels(ctx, admin.NewLabel{Name: "board:a"}, admin.NewLabel{Name: "pool:x"})).ok(l)
	got(l.AddShard(ctx, "one", "board:a")).ok(l)
	hosts := []admin.NewHost{
		{Hostname: "h2", Labels: []string{"board:a", "pool:x", "pool:x"}, Attributes: map[string]string{"servo": "s=1,2", "a": ""}},
		{Hostname: "h1"},
	}
	l.want("added", "h1 added, h2 added", outcomesOf(got(l.AddHosts(ctx, hosts...)).ok(l)))
	got(l.AddUsers(ctx, admin.NewUser{Login: "bob", ACLGroups: []string{"lab"}})).ok(l)
	l.want("added", "h2 unchanged, h3 added", outcomesOf(got(l.AddHosts(ctx,
		admin.NewHost{Hostname: "h2"}, admin.NewHost{Hostname: "h3", ACLGroups: []string{"lab", admin.Everyone}},
	)).ok(l)))

	listed := got(l.Hosts(ctx)).ok(l)
	for i := range listed {
		listed[i].ID = 0
	}
	l.want("hosts", []admin.Host{
		{Hostname: "h1", Status: "Ready", Labels: []string{}, ACLGroups: []string{"Everyone"}, Attributes: map[string]string{}},
		{Hostname: "h2", Status: "Ready", Labels: []string{"board:a", "pool:x"}, ACLGroups: []string{"Everyone"}, Attributes: map[string]string{"servo": "s=1,2", "a": ""}},
		{Hostname: "h3", Status: "Ready", Labels: []string{}, ACLGroups: []string{"Everyone", "lab"}, Attributes: map[string]string{}},
	}, listed)
	users := got(l.Users(ctx)).ok(l)
	for i := range users {
		users[i].ID = 0
	}
	l.want("users", []admin.User{
		{Login: "bob", ACLGroups: []string{"Everyone", "lab"}}, {Login: "early", ACLGroups: []string{"Everyone"}},
	}, users)

	r, err := l.beat(ctx, "one", "")
	if err != nil || len(r.Hosts) != 1 || r.Hosts[0].Hostname != "h2" || len(r.Hosts[0].Labels) != 2 || len(r.Hosts[0].Attributes) != 2 {
		t.Errorf("heartbeat: %+v, %v; want h2 with its labels and attributes", r, err)
	}
}

func TestAddHostsRefuses(t *testing.T) {
	l := twoShards(t)
	before := l.everything()
	for _, c := range []struct {
		host admin.NewHost
		want string
	}{
		{admin.NewHost{Hostname: "x", Labels: []string{"nope", "pool:x", "no"}}, "no such label: no, nope; add it first"},
		{admin.NewHost{Hostname: "x", ACLGroups: []string{"nope"}}, "no such ACL group: nope; add it first"},
		{admin.NewHost{Hostname: "x", Labels: []string{"board:a", "board:b"}}, "host x would belong to two shards, one and two"},
		{admin.NewHost{Hostname: ""}, "host: its name is empty"},
		{admin.NewHost{Hostname: "y"}, "host y: it is named twice"},
	} {
		_, err := l.AddHosts(t.Context(), admin.NewHost{Hostname: "y"}, c.host)
		if err == nil || err.Error() != "add hosts: "+c.want {
			t.Errorf("%+v: %v, want %s", c.host, err, c.want)
		}
	}
	l.want("database", before, l.everything())
}

func TestAddUsers(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.want("added", "amy added, bob added", outcomesOf(got(l.AddUsers(ctx, admin.NewUser{Login: "bob"}, admin.NewUser{Login: "amy", Superuser: true})).ok(l)))
	l.want("again", "bob unchanged", outcomesOf(got(l.AddUsers(ctx, admin.NewUser{Login: "bob", Superuser: true, ACLGroups: []string{"lab"}})).ok(l)))
	got(l.AddUsers(ctx, admin.NewUser{Login: "amy"})).ok(l)
	users := got(l.Users(ctx)).ok(l)
	l.want("users", []admin.User{
		{ID: users[0].ID, Login: "amy", Superuser: true, ACLGroups: []string{"Everyone"}},
		{ID: users[1].ID, Login: "bob", Superuser: true, ACLGroups: []string{"Everyone", "lab"}},
	}, users)
	if _, err := l.AddUsers(ctx); err == nil {
		t.Error("no user: no error")
	}
}

// A lock goes to the shard with the host, once: a shard that has the host is not told.
func TestLockHosts(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	locked := got(l.LockHosts(ctx, "bob", "flaky USB", "a1")).ok(l)
	if at := locked[0].LockTime; at == nil || time.Since(*at).Abs() > time.Hour || at.Nanosecond()%1e6 != 0 {
		t.Errorf("locked at %v, want now in UTC, in milliseconds", at)
	}
	want := []admin.LockedHost{{
		Change:   admin.Change{ID: locked[0].ID, Name: "a1", Outcome: admin.Changed},
		LockedBy: "bob", LockTime: locked[0].LockTime, LockReason: "flaky USB",
	}}
	l.want("locked", want, locked)
	l.want("row", "bob flaky USB t", pgtest.Query[string](l.T, l.pool, `SELECT concat_ws(' ', u.login, h.lock_reason, h.dirty)
		FROM afe_hosts AS h JOIN afe_users AS u ON u.id = h.locked_by_id WHERE h.hostname = 'a1' AND h.locked`))
	r, err := l.beat(ctx, "one", "")
	if err != nil || len(r.Hosts) != 2 || !r.Hosts[0].Locked || r.Hosts[0].LockReason != "flaky USB" || r.Hosts[1].Locked {
		t.Errorf("heartbeat: %+v, %v; want a1 locked and a2 not", r, err)
	}

	again := got(l.LockHosts(ctx, "amy", "other", "a1", "a2")).ok(l)
	want[0].Outcome, want[0].Shard = admin.Unchanged, "one"
	want = append(want, admin.LockedHost{
		Change:   admin.Change{ID: again[1].ID, Name: "a2", Outcome: admin.Changed},
		LockedBy: "amy", LockTime: again[1].LockTime, LockReason: "other", Shard: "one",
	})
	l.want("locked again", want, again)
	l.want("listed", "bob", got(l.Hosts(ctx)).ok(l)[0].LockedBy)

	unlocked := got(l.UnlockHosts(ctx, "b1", "a1")).ok(l)
	l.want("unlocked", "a1 changed, b1 unchanged", outcomesOf([]admin.Change{unlocked[0].Change, unlocked[1].Change}))
	l.want("reason", "flaky USB", unlocked[0].LockReason)
	l.want("row", "fflaky USB", pgtest.Query[string](l.T, l.pool, "SELECT concat_ws(' ', locked, locked_by_id, lock_time) || lock_reason FROM afe_hosts WHERE hostname = 'a1'"))
}

// A leased host is not sent before it is released; one that was sent stays with its shard.
func TestLeasedHostsAreNotSent(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	got(l.AddHosts(ctx, admin.NewHost{Hostname: "a3", Labels: []string{"board:a"}, Leased: true})).ok(l)
	l.want("leased from the start", "hosts a1 a2", l.hears("one", ""))
	l.want("released", "a1 unchanged, a3 changed", outcomesOf(got(l.LeaseHosts(ctx, false, "a1", "a3")).ok(l)))
	l.want("released again", "a3 unchanged", outcomesOf(got(l.LeaseHosts(ctx, false, "a3")).ok(l)))
	l.want("a released host", "hosts a1 a2 a3", l.hears("one", ""))
	l.want("leased", "a1 changed", outcomesOf(got(l.LeaseHosts(ctx, true, "a1")).ok(l)))
	l.want("hosts that are not leased", "hosts a2 a3", l.hears("one", ""))
	l.want("all hosts known", "", l.hears("one", l.knows("a1", "a2", "a3")))
	got(l.RemoveHosts(ctx, "bob", "a3")).ok(l)
	got(l.AddHosts(ctx, admin.NewHost{Hostname: "a3", Labels: []string{"board:a"}, Leased: true})).ok(l)
	l.want("leased when it comes back", "hosts a2", l.hears("one", ""))
	if _, err := l.LeaseHosts(ctx, true, "a1", "nope"); err == nil || err.Error() != "lease hosts: no such host: nope" {
		t.Errorf("%v, want no such host", err)
	}
}

func TestLockHostsRefuses(t *testing.T) {
	l := twoShards(t)
	before := l.everything()
	for _, c := range []struct{ by, reason, host, want string }{
		{"bob", " ", "a1", "lock: it needs a reason"},
		{"", "r", "a1", "user: its name is empty"},
		{"bob", "r", "nope", "no such host: nope"},
	} {
		if _, err := l.LockHosts(t.Context(), c.by, c.reason, "a1", c.host); err == nil || err.Error() != "lock hosts: "+c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := l.UnlockHosts(t.Context(), "a1", "nope"); err == nil {
		t.Error("unlock of a host that is not there: no error")
	}
	l.want("database", before, l.everything())
}

// A move takes the host from its shard at once; the other shard gets it, with its jobs.
func TestMoveHosts(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	got(l.AttachLabel(ctx, "pool:x", "a1")).ok(l)
	got(l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Hosts: []string{"a1"}})).ok(l)
	l.want("shard one", "hosts a1 a2; jobs j", l.hears("one", ""))

	l.want("moved", "a1 changed, b1 unchanged", outcomesOf(got(l.MoveHosts(ctx, "board:b", "a1", "b1")).ok(l)))
	l.want("labels", []string{"board:b", "pool:x"}, got(l.Hosts(ctx)).ok(l)[0].Labels)
	l.want("shard one", "incorrect a1", l.hears("one", l.knows("a1", "a2")))
	l.want("shard two", "hosts a1 b1; jobs j", l.hears("two", ""))
	l.want("moved again", "a1 unchanged", outcomesOf(got(l.MoveHosts(ctx, "board:b", "a1")).ok(l)))
	l.want("shard two", "", l.hears("two", l.knows("a1", "b1")+`, "known_job_ids": [`+pgtest.Query[string](l.T, l.pool, "SELECT id::text FROM afe_jobs")+`]`))
}

func TestMoveHostsRefuses(t *testing.T) {
	l := twoShards(t)
	got(l.AddShard(t.Context(), "one", "pool:x")).ok(l)
	got(l.AttachLabel(t.Context(), "pool:x", "a1")).ok(l)
	before := l.everything()
	for _, c := range []struct{ label, host, want string }{
		{"pool:x", "a1", "label pool:x: it does not begin with board:"},
		{"board:c", "a1", "no such label: board:c; add it first"},
		{"board:a", "nope", "no such host: nope"},
		{"board:b", "a1", "host a1 would belong to two shards, one and two"},
	} {
		if _, err := l.MoveHosts(t.Context(), c.label, c.host); err == nil || err.Error() != "move hosts: "+c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	l.want("database", before, l.everything())
}

// The shard is told that a removed host is not its own, and what it was to do is aborted. Added
// again, it is the same.
func TestRemoveHosts(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	jobs := got(l.CreateJobs(ctx,
		admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, Hosts: []string{"a1", "a2"}},
		admin.NewJob{Name: "done", Owner: "o", Hosts: []string{"a1"}},
	)).ok(l)
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE job_id = $1", jobs[1])
	pgtest.Exec(l.T, l.pool, "INSERT INTO afe_host_attributes (host_id, attribute) SELECT id, 'a' FROM afe_hosts WHERE hostname = 'a1'")
	l.want("shard one", "hosts a1 a2; jobs j", l.hears("one", ""))
	id := pgtest.Query[int64](l.T, l.pool, "SELECT id FROM afe_hosts WHERE hostname = 'a1'")

	l.want("removed", admin.RemovedHosts{Hosts: []admin.Change{{ID: id, Name: "a1", Outcome: admin.Removed}}, Aborted: 1},
		got(l.RemoveHosts(ctx, "bob", "a1")).ok(l))
	l.want("aborted", "j a1 bob", pgtest.Query[string](l.T, l.pool, `SELECT string_agg(concat_ws(' ', j.name, h.hostname, u.login), ', ')
		FROM afe_host_queue_entries AS e JOIN afe_jobs AS j ON j.id = e.job_id JOIN afe_hosts AS h ON h.id = e.host_id
		JOIN afe_aborted_host_queue_entries AS a ON a.queue_entry_id = e.id JOIN afe_users AS u ON u.id = a.aborted_by_id
		WHERE e.aborted`))
	l.want("relations left", 0, pgtest.Query[int](l.T, l.pool, `SELECT (SELECT count(*) FROM afe_hosts_labels WHERE host_id = $1)
		+ (SELECT count(*) FROM afe_acl_groups_hosts WHERE host_id = $1) + (SELECT count(*) FROM afe_host_attributes WHERE host_id = $1)`, id))
	l.want("hosts listed", 2, len(got(l.Hosts(ctx)).ok(l)))
	l.want("shard one", "incorrect a1", l.hears("one", l.knows("a1", "a2")+`, "known_job_ids": [`+pgtest.Query[string](l.T, l.pool, "SELECT min(id)::text FROM afe_jobs")+`]`))

	pgtest.Exec(l.T, l.pool, `UPDATE afe_hosts SET status = 'Repairing', locked = true, lock_reason = 'x', lock_time = now(), leased = true, protection = 2,
		shard_id = (SELECT min(id) FROM afe_shards) WHERE hostname = 'a1'`)
	l.want("added again", []admin.Change{{ID: id, Name: "a1", Outcome: admin.Restored}},
		got(l.AddHosts(ctx, admin.NewHost{Hostname: "a1", Labels: []string{"board:a"}})).ok(l))
	l.want("as new, except its status", admin.Host{
		ID: id, Hostname: "a1", Status: "Repairing", Labels: []string{"board:a"}, ACLGroups: []string{"Everyone"}, Attributes: map[string]string{},
	}, got(l.Hosts(ctx)).ok(l)[0])
	l.want("protection", 0, pgtest.Query[int](l.T, l.pool, "SELECT protection FROM afe_hosts WHERE id = $1", id))
	l.want("shard one", "hosts a1", l.hears("one", l.knows("a2")+`, "known_job_ids": [`+pgtest.Query[string](l.T, l.pool, "SELECT min(id)::text FROM afe_jobs")+`]`))
}

func TestRemoveHostsRefuses(t *testing.T) {
	l := twoShards(t)
	before := l.everything()
	var missing *admin.MissingError
	if _, err := l.RemoveHosts(t.Context(), "bob", "a1", "nope"); !errors.As(err, &missing) {
		t.Errorf("%v, want a MissingError", err)
	}
	l.want("database", before, l.everything())
}

// A job that is being created for a host when the host goes is aborted too.
func TestRemoveHostsWaitsForAJob(t *testing.T) {
	l := twoShards(t)
	removed, err := behind(l, func(ctx context.Context) (admin.RemovedHosts, error) {
		return l.RemoveHosts(ctx, "bob", "a1")
	}, "INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (900, 'o', 'j', now())",
		"INSERT INTO afe_host_queue_entries (job_id, status, host_id) SELECT 900, 'Queued', id FROM afe_hosts WHERE hostname = 'a1'")
	if err != nil || removed.Aborted != 1 {
		t.Errorf("%+v, %v; want one entry aborted", removed, err)
	}
}

func TestCreateJobsWaitsForTheRemovalOfAHost(t *testing.T) {
	l := twoShards(t)
	_, err := behind(l, func(ctx context.Context) ([]int64, error) {
		return l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Hosts: []string{"a1"}})
	}, "SELECT FROM afe_hosts WHERE hostname = 'a1' FOR UPDATE", "UPDATE afe_hosts SET invalid = true WHERE hostname = 'a1'")
	var missing *admin.MissingError
	if !errors.As(err, &missing) {
		t.Errorf("%v, want a MissingError", err)
	}
}
