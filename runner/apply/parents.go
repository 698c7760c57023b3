package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/objects"
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

func newParents() parents {
	return parents{named: map[objectKey]parent{}, members: map[member]bool{}}
}

// collectParents gathers what the objects name.
func collectParents(hosts []unit[objects.Host], jobs []unit[objects.Job]) parents {
	p := newParents()
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

func (p parents) addHost(h *objects.Host) {
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

func (p parents) addJob(j *objects.Job) {
	p.addShard(j.Shard.Value)
	p.addLabels(j.DependencyLabels...)
	for _, e := range j.Entries {
		if e.MetaHost.Value != nil {
			p.addLabels(*e.MetaHost.Value)
		}
	}
}

func (p parents) addShard(ref *objects.Ref) {
	if ref != nil {
		p.add("shard", ref.ID, ref.Hostname, ref)
	}
}

func (p parents) addLabels(labels ...objects.Label) {
	for _, l := range labels {
		p.add("label", l.ID, l.Name, l)
	}
}

// storeParents stores all that a response names before any of its objects. So names and memberships
// move once, and an object that is set aside spoils none of them. If that fails, each chunk stores
// its own parents instead, as its own objects name them. A parent that another session has locked
// is left out, and with it each object that names it.
func (a *applier) storeParents(ctx context.Context, all parents) error {
	if len(all.named) == 0 {
		return nil
	}
	var missing []sharddb.ParentsFindRow
	err := a.o.Lock.Read(ctx, func(q *sharddb.Queries) (err error) {
		missing, err = all.find(ctx, q)
		return err
	})
	if err == nil && len(missing) == 0 {
		return nil // as the master has them
	}
	if err != nil {
		return a.leaveParents(ctx, all, err)
	}
	for try := 1; ; try++ {
		err := a.o.Lock.Write(ctx, func(q *sharddb.Queries) (err error) {
			a.lockedParents, err = all.store(ctx, q)
			return err
		})
		if err != nil {
			return a.leaveParents(ctx, all, err)
		}
		if len(a.lockedParents) == 0 || !lock.Pause(ctx, a.o.LockTimeout, try) {
			return nil
		}
	}
}

// leaveParents leaves the parents to the chunks after an error, which it returns unless one of the
// parents is at fault, or all of them together took too long.
func (a *applier) leaveParents(ctx context.Context, all parents, err error) error {
	a.parentsByChunk = true
	if pg.Classify(err) == pg.Data || a.tookTooLong(ctx, err) {
		return nil
	}
	return fmt.Errorf("store %d shards, labels, ACL groups and users: %w", len(all.named), err)
}

// parentsFirst stores the parents of a chunk, if that is not done yet, and returns which objects
// have to wait for one that is locked.
func parentsFirst[T any](
	ctx context.Context, a *applier, q *sharddb.Queries, chunk []unit[T], collect func([]unit[T]) parents,
) (left map[int64]string, err error) {
	locked := a.lockedParents
	if a.parentsByChunk {
		if locked, err = collect(chunk).store(ctx, q); err != nil {
			return nil, err
		}
	}
	left = map[int64]string{}
	for i := 0; i < len(chunk) && len(locked) > 0; i++ {
		for key := range collect(chunk[i : i+1]).named {
			if reason := locked[key]; reason != "" {
				left[chunk[i].aside.ID] = reason
			}
		}
	}
	return left, nil
}

// find returns the parents and memberships that are not here as they were sent.
func (p parents) find(ctx context.Context, q *sharddb.Queries) ([]sharddb.ParentsFindRow, error) {
	var args sharddb.ParentsFindParams
	for key, parent := range p.named {
		args.Kinds = append(args.Kinds, key.kind)
		args.Ids = append(args.Ids, key.id)
		args.Names = append(args.Names, parent.Name)
	}
	args.AclgroupIds, args.UserIds = p.memberIDs()
	return q.ParentsFind(ctx, args)
}

// insert stores parents that are all new, or here as they were sent.
func (p parents) insert(ctx context.Context, q *sharddb.Queries, missing []sharddb.ParentsFindRow) error {
	var rows []parent
	for _, row := range missing {
		if named, found := p.named[objectKey{row.Kind, row.ID}]; found {
			rows = append(rows, named)
		}
	}
	body, err := guard.JSON(rows)
	if err != nil {
		return err
	}
	args := sharddb.ParentsInsertParams{Parents: body}
	args.AclgroupIds, args.UserIds = p.memberIDs()
	_, err = q.ParentsInsert(ctx, args)
	return err
}

// memberIDs returns the memberships as statements take them.
func (p parents) memberIDs() (groups, users []int64) {
	for m := range p.members {
		groups = append(groups, m.group)
		users = append(users, m.user)
	}
	return groups, users
}

// store lets local rows give way, stores the master's rows, and copies to them what belonged to the
// rows that gave way. It returns the parents that it left out, each with the locked row that is in
// the way.
func (p parents) store(ctx context.Context, q *sharddb.Queries) (map[objectKey]string, error) {
	if len(p.named) == 0 {
		return nil, nil
	}
	missing, err := p.find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("look what is here: %w", err)
	}
	if !slices.ContainsFunc(missing, func(row sharddb.ParentsFindRow) bool { return !row.IsNew }) {
		return nil, p.insert(ctx, q, missing)
	}
	locked, err := p.stage(ctx, q)
	if err != nil {
		return nil, err
	}
	type statement func(context.Context) (int64, error)
	for _, kind := range []struct {
		name           string
		giveWay, store statement
		copies         []statement // needed only where a row gave way
	}{
		{"shards", q.ShardGiveWay, q.ShardStore, []statement{
			q.ShardMoveLock, q.ShardMoveHosts, q.ShardMoveJobs, q.ShardMoveLabels,
		}},
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
			return nil, fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	if err := p.storeUsers(ctx, q, locked); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	_, err = q.StagedParentsClear(ctx)
	return locked, err
}

// stage stages the parents that need nothing which another session has locked, and returns the
// others.
func (p parents) stage(ctx context.Context, q *sharddb.Queries) (map[objectKey]string, error) {
	body, err := guard.JSON(slices.Collect(maps.Values(p.named)))
	if err != nil {
		return nil, err
	}
	if _, err := q.StageParents(ctx, body); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	groupIDs, userIDs := p.memberIDs()
	rows, err := q.ParentsLock(ctx, groupIDs, userIDs)
	if err != nil {
		return nil, fmt.Errorf("look for locked rows: %w", err)
	}
	locked := make(map[objectKey]string, len(rows))
	for _, row := range rows {
		locked[objectKey{row.Kind, row.ID}] = row.Reason
	}
	return locked, nil
}

// storeUsers stores users and their ACL groups.
func (p parents) storeUsers(ctx context.Context, q *sharddb.Queries, locked map[objectKey]string) error {
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
		if locked[objectKey{"acl_group", m.group}] == "" && locked[objectKey{"user", m.user}] == "" {
			groupIDs = append(groupIDs, m.group)
			userIDs = append(userIDs, m.user)
		}
	}
	_, err = q.ACLGroupAddUsers(ctx, groupIDs, userIDs)
	return err
}
