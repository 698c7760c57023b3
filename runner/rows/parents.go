package rows

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/guard"
)

// Parents are the shards, labels, ACL groups and users that a response names. The master does not
// build a response in one transaction, so two objects may disagree about an id: see
// [Parents.HostAgrees].
type Parents struct {
	named   [len(parentKinds)]map[int64]parent // by id
	members map[member]bool
}

// The kinds of parents, and how statements call them.
const (
	shardKind = iota
	labelKind
	groupKind
	userKind
)

var parentKinds = [...]string{shardKind: "shard", labelKind: "label", groupKind: "acl_group", userKind: "user"}

// parent is a row of shard_client_staged_parents.
type parent struct {
	Kind   string `json:"kind"`
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Fields any    `json:"fields"`
}

// ParentKey names a parent.
type ParentKey struct {
	Kind string
	ID   int64
}

// member is a user in an ACL group.
type member struct{ group, user int64 }

// NewParents returns no parents.
func NewParents() Parents {
	p := Parents{members: map[member]bool{}}
	for kind := range p.named {
		p.named[kind] = map[int64]parent{}
	}
	return p
}

func (p Parents) add(kind int, id int64, name string, fields any) {
	p.named[kind][id] = parent{parentKinds[kind], id, name, fields}
}

// all yields every parent.
func (p Parents) all(yield func(parent) bool) {
	for _, named := range p.named {
		for _, parent := range named {
			if !yield(parent) {
				return
			}
		}
	}
}

// Find returns the parents and memberships that are not here as they were sent.
func (p Parents) Find(ctx context.Context, q *sharddb.Queries) ([]sharddb.ParentsFindRow, error) {
	var args sharddb.ParentsFindParams
	for parent := range p.all {
		args.Kinds = append(args.Kinds, parent.Kind)
		args.Ids = append(args.Ids, parent.ID)
		args.Names = append(args.Names, parent.Name)
	}
	args.AclgroupIds, args.UserIds = p.memberIDs()
	return q.ParentsFind(ctx, args)
}

// AreNew reports whether nothing is in the way of storing parents.
func AreNew(missing []sharddb.ParentsFindRow) bool {
	return !slices.ContainsFunc(missing, func(row sharddb.ParentsFindRow) bool { return !row.IsNew })
}

// Insert stores parents that are all new, or here as they were sent.
func (p Parents) Insert(ctx context.Context, q *sharddb.Queries, missing []sharddb.ParentsFindRow) error {
	var rows []parent
	for _, row := range missing {
		if kind := slices.Index(parentKinds[:], row.Kind); kind >= 0 { // not a membership
			rows = append(rows, p.named[kind][row.ID])
		}
	}
	body, err := guard.JSON(rows)
	if err != nil {
		return err
	}
	args := sharddb.ParentsInsertParams{Parents: body}
	args.AclgroupIds, args.UserIds = p.memberIDs()
	short, err := q.ParentsInsert(ctx, args)
	if err == nil && len(short) > 0 {
		err = swallowed(short[0])
	}
	return err
}

// memberIDs returns the memberships as statements take them.
func (p Parents) memberIDs() (groups, users []int64) {
	for m := range p.members {
		groups = append(groups, m.group)
		users = append(users, m.user)
	}
	return groups, users
}

// Store lets local rows give way, stores the master's rows, and copies to them what belonged to the
// rows that gave way. It returns the parents that it left out, each with the locked row that is in
// the way.
func (p Parents) Store(ctx context.Context, q *sharddb.Queries) (map[ParentKey]string, error) {
	if p.Len() == 0 {
		return nil, nil
	}
	missing, err := p.Find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("look what is here: %w", err)
	}
	if AreNew(missing) {
		return nil, p.Insert(ctx, q, missing)
	}
	locked, err := p.stage(ctx, q)
	if err != nil {
		return nil, err
	}
	type statement func(context.Context) (int64, error)
	for _, kind := range []struct {
		name, table    string
		giveWay, store statement
		copies         []statement // needed only where a row gave way
	}{
		{"shards", "afe_shards", q.ShardGiveWay, q.ShardStore, []statement{
			q.ShardMoveLock, q.ShardMoveHosts, q.ShardMoveJobs, q.ShardMoveLabels,
		}},
		{"labels", "afe_labels", q.LabelGiveWay, q.LabelStore, []statement{q.LabelCopyHosts, q.LabelCopyJobs, q.LabelCopyShards}},
		{"ACL groups", "afe_acl_groups", q.ACLGroupGiveWay, q.ACLGroupStore, []statement{q.ACLGroupCopyHosts, q.ACLGroupCopyUsers}},
	} {
		moved, err := kind.giveWay(ctx)
		if err == nil {
			err = Whole(Step{kind.table, func() (int64, error) { return kind.store(ctx) }})
		}
		for i := 0; i < len(kind.copies) && moved > 0 && err == nil; i++ {
			_, err = kind.copies[i](ctx)
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
func (p Parents) stage(ctx context.Context, q *sharddb.Queries) (map[ParentKey]string, error) {
	body, err := guard.JSON(slices.Collect(p.all))
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
	locked := make(map[ParentKey]string, len(rows))
	for _, row := range rows {
		locked[ParentKey{row.Kind, row.ID}] = row.Reason
	}
	return locked, nil
}

// storeUsers stores users, and which of them are in which ACL group.
func (p Parents) storeUsers(ctx context.Context, q *sharddb.Queries, locked map[ParentKey]string) error {
	kept, err := q.UserGiveWay(ctx)
	if err != nil {
		return err
	}
	if err := Whole(Step{"afe_users", func() (int64, error) { return q.UserStore(ctx) }}); err != nil {
		return err
	}
	var groupIDs, userIDs []int64
	for _, row := range kept {
		groupIDs = append(groupIDs, row.AclgroupID)
		userIDs = append(userIDs, row.UserID)
	}
	for m := range p.members {
		if locked[ParentKey{"acl_group", m.group}] == "" && locked[ParentKey{"user", m.user}] == "" {
			groupIDs = append(groupIDs, m.group)
			userIDs = append(userIDs, m.user)
		}
	}
	return Whole(Step{"afe_acl_groups_users", func() (int64, error) { return q.ACLGroupAddUsers(ctx, groupIDs, userIDs) }})
}

// Len returns how many parents there are.
func (p Parents) Len() (n int) {
	for _, named := range p.named {
		n += len(named)
	}
	return n
}

// Keys returns the keys of all parents.
func (p Parents) Keys() iter.Seq[ParentKey] {
	return func(yield func(ParentKey) bool) {
		p.all(func(parent parent) bool { return yield(ParentKey{parent.Kind, parent.ID}) })
	}
}

// Merge adds other parents, whose members it leaves out.
func (p Parents) Merge(others Parents) {
	for kind, named := range others.named {
		maps.Copy(p.named[kind], named)
	}
}
