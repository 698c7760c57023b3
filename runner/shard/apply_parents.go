package shard

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// parents are the shards, labels, ACL groups and users that a response names. The master does not
// build a response in one transaction, so two objects may disagree about an id; the last one
// counts.
type parents struct {
	named   map[objectKey]parent
	members map[member]bool
}

// parent is a row of shard_client_staged_parents.
type parent struct {
	Kind   string `json:"kind"`
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Fields any    `json:"fields"`
}

// member is a user in an ACL group.
type member struct{ group, user int64 }

// collectParents gathers what the objects name.
func collectParents(hosts []unit[afe.Host], jobs []unit[afe.Job]) parents {
	p := parents{named: map[objectKey]parent{}, members: map[member]bool{}}
	for _, h := range hosts {
		p.addHost(h.object)
	}
	for _, j := range jobs {
		p.addJob(j.object)
	}
	return p
}

func (p parents) add(kind string, id int64, name string, fields any) {
	p.named[objectKey{kind, id}] = parent{kind, id, name, fields}
}

func (p parents) addHost(h *afe.Host) {
	p.addShard(h.Shard.Value)
	p.addLabels(h.Labels...)
	for _, g := range h.ACLGroups {
		for _, u := range g.Users {
			p.add("user", u.ID, u.Login, u)
			p.members[member{g.ID, u.ID}] = true
		}
		g.Users = nil
		p.add("acl_group", g.ID, g.Name, g)
	}
}

func (p parents) addJob(j *afe.Job) {
	p.addShard(j.Shard.Value)
	p.addLabels(j.DependencyLabels...)
	for _, e := range j.Entries {
		if e.MetaHost.Value != nil {
			p.addLabels(*e.MetaHost.Value)
		}
	}
}

func (p parents) addShard(ref *afe.Ref) {
	if ref != nil {
		p.add("shard", ref.ID, ref.Hostname, ref)
	}
}

func (p parents) addLabels(labels ...afe.Label) {
	for _, l := range labels {
		p.add("label", l.ID, l.Name, l)
	}
}

// storeParents stores all that a response names before any of its objects. So names and memberships
// move once, and an object that is set aside spoils none of them. If a parent cannot be stored,
// each chunk stores its own parents instead, as its own objects name them.
func (a *applier) storeParents(ctx context.Context, all parents) error {
	err := a.c.lock.Write(ctx, func(q *sharddb.Queries) error { return all.store(ctx, q) })
	a.parentsByChunk = pg.Classify(err) == pg.Data
	if a.parentsByChunk {
		return nil
	}
	return err
}

// store lets local rows give way, stores the master's rows, and copies to them what belonged to the
// rows that gave way.
func (p parents) store(ctx context.Context, q *sharddb.Queries) error {
	if len(p.named) == 0 {
		return nil
	}
	body, err := encode(slices.Collect(maps.Values(p.named)))
	if err != nil {
		return err
	}
	if _, err := q.StageParents(ctx, body); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	type statement func(context.Context) (int64, error)
	for _, kind := range []struct {
		name           string
		giveWay, store statement
		copies         []statement // needed only where a row gave way
	}{
		{"shards", q.ShardGiveWay, q.ShardStore, []statement{q.ShardMoveHosts, q.ShardMoveJobs, q.ShardMoveLabels}},
		{"labels", q.LabelGiveWay, q.LabelStore, []statement{q.LabelCopyHosts, q.LabelCopyJobs, q.LabelCopyShards}},
		{"ACL groups", q.ACLGroupGiveWay, q.ACLGroupStore, []statement{q.ACLGroupCopyHosts, q.ACLGroupCopyUsers}},
	} {
		statements := []statement{kind.store}
		moved, err := kind.giveWay(ctx)
		if moved > 0 {
			statements = append(statements, kind.copies...)
		}
		for i := 0; i < len(statements) && err == nil; i++ {
			_, err = statements[i](ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	if err := p.storeUsers(ctx, q); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	_, err = q.StagedParentsClear(ctx)
	return err
}

// storeUsers stores users and their ACL groups.
func (p parents) storeUsers(ctx context.Context, q *sharddb.Queries) error {
	kept, err := q.UserGiveWay(ctx)
	if err != nil {
		return err
	}
	if _, err := q.UserStore(ctx); err != nil {
		return err
	}
	var groupIDs, userIDs []int64
	for _, row := range kept {
		groupIDs = append(groupIDs, row.AclgroupID)
		userIDs = append(userIDs, row.UserID)
	}
	for m := range p.members {
		groupIDs = append(groupIDs, m.group)
		userIDs = append(userIDs, m.user)
	}
	_, err = q.ACLGroupAddUsers(ctx, groupIDs, userIDs)
	return err
}
