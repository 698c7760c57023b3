package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

func TestAddShard(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	got(l.AddLabels(ctx, admin.NewLabel{Name: "board:a"}, admin.NewLabel{Name: "board:b"})).ok(l)
	for _, c := range []struct {
		labels      []string
		shard, gave string
	}{
		{nil, "added", ""},
		{[]string{"board:b"}, "unchanged", "board:b added"},
		{[]string{"board:b", "board:a", "board:a"}, "unchanged", "board:a added, board:b unchanged"},
	} {
		added := got(l.AddShard(ctx, "one", c.labels...)).ok(l)
		l.want("outcomes", "one "+c.shard+"; "+c.gave, outcomesOf([]admin.Change{added.Shard})+"; "+outcomesOf(added.Labels))
		l.want("id", pgtest.Query[int64](l.T, l.pool, "SELECT id FROM afe_shards WHERE hostname = 'one'"), added.Shard.ID)
	}
	shards := got(l.Shards(ctx)).ok(l)
	l.want("shards", []admin.Shard{{ID: shards[0].ID, Hostname: "one", Labels: []string{"board:a", "board:b"}}}, shards)
}

func TestAddShardRefuses(t *testing.T) {
	l := twoShards(t)
	got(l.AttachLabel(t.Context(), "pool:x", "a1", "b1")).ok(l)
	before := l.everything()
	for _, c := range []struct {
		hostname, label, want string
	}{
		{"three", "board:a", "add shard: label board:a belongs to shard one, not to three; remove it there first"},
		{"three", "board:c", "add shard: no such label: board:c; add it first"},
		{"two", "pool:x", "add shard: host a1 would belong to two shards, one and two"},
		{"with space", "pool:x", "add shard: shard with space: give its host name in printable ASCII, without spaces"},
		{"", "pool:x", "add shard: shard: give its host name in printable ASCII, without spaces"},
	} {
		_, err := l.AddShard(t.Context(), c.hostname, c.label)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %s: %v, want %s", c.hostname, c.label, err, c.want)
		}
	}
	l.want("database", before, l.everything())
}

// Removing a board from a shard: its hosts become incorrect, except those that another of its
// labels keeps, and its jobs that have not begun go to whoever gets the board.
func TestRemoveLabelsFromShard(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	got(l.AddShard(ctx, "one", "pool:x")).ok(l)
	got(l.AttachLabel(ctx, "pool:x", "a2")).ok(l)
	got(l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, MetaHosts: []string{"board:a"}})).ok(l)
	l.want("first heartbeat", "hosts a1 a2; jobs j", l.hears("one", ""))
	l.want("other shard", "hosts b1", l.hears("two", ""))

	l.want("hosts", int64(1), got(l.RemoveLabelsFromShard(ctx, "one", "board:a")).ok(l))
	l.want("hosts of shards", "a2 b1", pgtest.Query[string](l.T, l.pool, "SELECT string_agg(hostname, ' ' ORDER BY hostname) FROM afe_hosts WHERE shard_id IS NOT NULL"))
	l.want("next heartbeat", "incorrect a1", l.hears("one", l.knows("a1", "a2")))
	got(l.DetachLabel(ctx, "pool:x", "a2")).ok(l)
	got(l.AddShard(ctx, "two", "board:a")).ok(l)
	l.want("the other shard", "hosts a1 a2; jobs j", l.hears("two", l.knows("b1")))
}

func TestRemoveLabelsFromShardRefuses(t *testing.T) {
	l := twoShards(t)
	before := l.everything()
	for _, c := range []struct {
		hostname string
		labels   []string
		want     string
	}{
		{"one", []string{"board:a", "board:b"}, "label board:b belongs to shard two, not to one; remove it there first"},
		{"one", []string{"pool:x"}, "label pool:x does not belong to shard one, nor to any other"},
		{"three", []string{"board:a"}, "no such shard: three"},
		{"one", []string{"nope"}, "no such label: nope; add it first"},
		{"one", nil, "label: none is named"},
	} {
		if _, err := l.RemoveLabelsFromShard(t.Context(), c.hostname, c.labels...); err == nil || err.Error() != "remove labels from shard: "+c.want {
			t.Errorf("%s %v: %v, want %s", c.hostname, c.labels, err, c.want)
		}
	}
	l.want("database", before, l.everything())
}

// A heartbeat that is taking the host when its label goes must not leave it with the shard for
// ever.
func TestRemoveLabelsFromShardWaitsForAHeartbeat(t *testing.T) {
	l := twoShards(t)
	hosts, err := behind(l, func(ctx context.Context) (int64, error) {
		return l.RemoveLabelsFromShard(ctx, "one", "board:a")
	}, "UPDATE afe_hosts SET shard_id = (SELECT id FROM afe_shards WHERE hostname = 'one') WHERE hostname = 'a1'")
	if hosts != 1 || err != nil {
		t.Errorf("%d hosts freed, %v; want a1", hosts, err)
	}
	l.want("hosts of a shard", 0, pgtest.Query[int](l.T, l.pool, "SELECT count(*) FROM afe_hosts WHERE shard_id IS NOT NULL"))
}

// Removing a shard frees what it had; the shard hears that it is none; another takes over.
func TestRemoveShard(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	got(l.CreateJobs(ctx, admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, MetaHosts: []string{"board:a"}})).ok(l)
	l.want("first heartbeat", "hosts a1 a2; jobs j", l.hears("one", ""))
	l.want("other shard", "hosts b1", l.hears("two", ""))

	l.want("freed", admin.FreedShard{Jobs: 1, Hosts: 2, Labels: 1}, got(l.RemoveShard(ctx, "one")).ok(l))
	if _, err := l.beat(ctx, "one", ""); err == nil || !strings.HasPrefix(err.Error(), "DoesNotExist") {
		t.Errorf("its heartbeat: %v, want DoesNotExist", err)
	}
	l.want("left to the other shard", "b1", pgtest.Query[string](l.T, l.pool, "SELECT string_agg(hostname, ' ') FROM afe_hosts WHERE shard_id IS NOT NULL"))
	got(l.AddShard(ctx, "two", "board:a")).ok(l)
	l.want("the other shard", "hosts a1 a2; jobs j", l.hears("two", l.knows("b1")))

	var missing *admin.MissingError
	if _, err := l.RemoveShard(ctx, "one"); !errors.As(err, &missing) {
		t.Errorf("removed again: %v, want a MissingError", err)
	}
}

// What a heartbeat gives to the shard while it is being removed is freed too.
func TestRemoveShardWaitsForAHeartbeat(t *testing.T) {
	l := twoShards(t)
	freed, err := behind(l, func(ctx context.Context) (admin.FreedShard, error) {
		return l.RemoveShard(ctx, "one")
	}, "UPDATE afe_hosts SET shard_id = (SELECT id FROM afe_shards WHERE hostname = 'one') WHERE hostname = 'a1'")
	if freed.Hosts != 1 || err != nil {
		t.Errorf("%+v freed, %v; want a1", freed, err)
	}
}

func TestShardsCountJobs(t *testing.T) {
	l := twoShards(t)
	ctx := t.Context()
	job := admin.NewJob{Name: "j", Owner: "o", Dependencies: []string{"board:a"}, MetaHosts: []string{"board:a", "board:a"}}
	ids := got(l.CreateJobs(ctx, job, job, job)).ok(l)
	l.want("heartbeat", "hosts a1 a2; jobs j j j", l.hears("one", ""))
	pgtest.Exec(l.T, l.pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE job_id = $1", ids[0])
	shards := got(l.Shards(ctx)).ok(l)
	l.want("shards", []admin.Shard{
		{ID: shards[0].ID, Hostname: "one", Labels: []string{"board:a"}, Hosts: 2, OpenJobs: 2, Jobs: 3},
		{ID: shards[1].ID, Hostname: "two", Labels: []string{"board:b"}},
	}, shards)
}
