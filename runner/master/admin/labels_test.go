package admin_test

import (
	"context"
	"errors"
	"testing"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

func TestAddLabels(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	first := got(l.AddLabels(ctx, admin.NewLabel{Name: "eve", Platform: true}, admin.NewLabel{Name: "board:eve"})).ok(l)
	l.want("outcomes", "board:eve added, eve added", outcomesOf(first))
	l.want("again", "eve unchanged, pool:x added", outcomesOf(got(l.AddLabels(ctx, admin.NewLabel{Name: "eve"}, admin.NewLabel{Name: "pool:x"})).ok(l)))
	labels := got(l.Labels(ctx)).ok(l)
	l.want("labels", []admin.Label{
		{ID: first[0].ID, Name: "board:eve"},
		{ID: first[1].ID, Name: "eve", Platform: true},
		{ID: labels[2].ID, Name: "pool:x"},
	}, labels)
	for _, names := range [][]admin.NewLabel{nil, {{Name: "y"}, {Name: " "}}} {
		if _, err := l.AddLabels(ctx, names...); err == nil {
			t.Errorf("%v: no error", names)
		}
	}
	l.want("labels", 3, len(got(l.Labels(ctx)).ok(l)))
}

// A label goes when its last user is gone, and comes back as the same row.
func TestRemoveLabel(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	job := got(l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"pool:x"}, MetaHosts: []string{"board:a"}})).ok(l)[0]
	meta := got(l.CreateJobs(ctx, admin.NewJob{Name: "m", Owner: "o", MetaHosts: []string{"pool:x"}})).ok(l)[0]
	refused := func(want string) {
		t.Helper()
		before := l.everything()
		err := l.RemoveLabel(ctx, "pool:x")
		var used *admin.LabelUsedError
		if !errors.As(err, &used) || err.Error() != "remove label: label pool:x is in use by "+want+"; take it from them first" {
			t.Errorf("%v, want in use by %s", err, want)
		}
		l.want("database", before, l.everything())
	}
	got(l.AttachLabel(ctx, "pool:x", "a1")).ok(l)
	got(l.AddShard(ctx, "one", "pool:x")).ok(l)
	refused("shard one, hosts (1), open jobs (2)")
	got(l.RemoveLabelsFromShard(ctx, "one", "pool:x")).ok(l)
	refused("hosts (1), open jobs (2)")
	got(l.DetachLabel(ctx, "pool:x", "a1")).ok(l)
	refused("open jobs (2)")
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id = $1", job)
	refused("open jobs (1)")
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE job_id = $1", meta)
	if err := l.RemoveLabel(ctx, "pool:x"); err != nil {
		t.Fatal(err)
	}

	id := pgtest.Query[int64](l.T, l.pool, "SELECT id FROM afe_labels WHERE name = 'pool:x' AND invalid")
	l.want("labels left", 2, len(got(l.Labels(ctx)).ok(l)))
	var missing *admin.MissingError
	if err := l.RemoveLabel(ctx, "pool:x"); !errors.As(err, &missing) {
		t.Errorf("removed again: %v, want a MissingError", err)
	}
	if _, err := l.AttachLabel(ctx, "pool:x", "a1"); !errors.As(err, &missing) {
		t.Errorf("attached though removed: %v, want a MissingError", err)
	}
	l.want("added again", []admin.Change{{ID: id, Name: "pool:x", Outcome: admin.Restored}},
		got(l.AddLabels(ctx, admin.NewLabel{Name: "pool:x", Platform: true})).ok(l))
	l.want("valid platform", true, pgtest.Query[bool](l.T, l.pool, "SELECT platform AND NOT invalid FROM afe_labels WHERE name = 'pool:x'"))
}

// Whoever begins to use a label while it is being removed has it.
func TestRemoveLabelWaitsForAJob(t *testing.T) {
	l := twoShards(t)
	_, err := behind(l, func(ctx context.Context) (int, error) { return 0, l.RemoveLabel(ctx, "pool:x") },
		"INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (900, 'o', 'j', now())",
		"INSERT INTO afe_host_queue_entries (job_id, status, meta_host) SELECT 900, 'Queued', id FROM afe_labels WHERE name = 'pool:x'",
	)
	var used *admin.LabelUsedError
	if !errors.As(err, &used) || used.OpenJobs != 1 {
		t.Errorf("%v, want it in use by the job", err)
	}
}

// And whoever comes second finds it gone.
func TestCreateJobsWaitsForTheRemovalOfALabel(t *testing.T) {
	l := twoShards(t)
	_, err := behind(l, func(ctx context.Context) ([]int64, error) {
		return l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", MetaHosts: []string{"pool:x"}})
	}, "SELECT FROM afe_labels WHERE name = 'pool:x' FOR UPDATE", "UPDATE afe_labels SET invalid = true WHERE name = 'pool:x'")
	var missing *admin.MissingError
	if !errors.As(err, &missing) {
		t.Errorf("%v, want a MissingError", err)
	}
}

// Attach and detach move a host between shards, as its labels say.
func TestAttachAndDetachLabel(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	l.want("shard one", "hosts a1 a2", l.hears("one", ""))
	l.want("shard two", "hosts b1", l.hears("two", ""))

	if _, err := l.AttachLabel(ctx, "board:b", "a1"); err == nil || err.Error() != "attach label: host a1 would belong to two shards, one and two" {
		t.Errorf("attached to a host of another shard: %v", err)
	}
	l.want("attached", "a1 changed, a2 changed", outcomesOf(got(l.AttachLabel(ctx, "pool:x", "a2", "a1", "a1")).ok(l)))
	l.want("attached again", "a1 unchanged, b1 changed", outcomesOf(got(l.AttachLabel(ctx, "pool:x", "a1", "b1")).ok(l)))
	l.want("detached", "a1 changed, b1 unchanged", outcomesOf(got(l.DetachLabel(ctx, "board:a", "a1", "b1")).ok(l)))
	got(l.AttachLabel(ctx, "board:b", "a1")).ok(l)
	l.want("labels of a1", []string{"board:b", "pool:x"}, got(l.Hosts(ctx)).ok(l)[0].Labels)

	l.want("shard one", "incorrect a1", l.hears("one", l.knows("a1", "a2")))
	l.want("shard two", "hosts a1", l.hears("two", l.knows("b1")))

	before := l.everything()
	for _, call := range []func(context.Context, string, ...string) ([]admin.Change, error){l.AttachLabel, l.DetachLabel} {
		for _, hosts := range [][]string{nil, {""}, {"a2", "nope"}} {
			if changes, err := call(ctx, "pool:x", hosts...); err == nil {
				t.Errorf("hosts %q: %v, want an error", hosts, changes)
			}
		}
	}
	l.want("database", before, l.everything())
}

func TestNewNeedsAPool(t *testing.T) {
	t.Parallel()
	if a, err := admin.New(nil); a != nil || err == nil {
		t.Errorf("%v, want an error", err)
	}
}
