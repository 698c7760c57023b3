package shard

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"shardclient/gen/shard"
	"shardclient/runner/afe"
)

// parents are the shards, labels, ACL groups and users that a response names, by
// id. A response is not built in one transaction of the master, so two objects
// may disagree; the last word on an id counts.
type parents struct {
	shards  map[int64]afe.Ref
	labels  map[int64]afe.Label
	groups  map[int64]afe.ACLGroup
	users   map[int64]afe.User
	members map[member]bool
}

// member is a user in an ACL group.
type member struct{ group, user int64 }

func newParents() parents {
	return parents{
		shards: map[int64]afe.Ref{}, labels: map[int64]afe.Label{},
		groups: map[int64]afe.ACLGroup{}, users: map[int64]afe.User{}, members: map[member]bool{},
	}
}

// collectParents gathers what the objects name.
func collectParents(hosts []unit[afe.Host], jobs []unit[afe.Job]) parents {
	p := newParents()
	for _, h := range hosts {
		p.addHost(h.object)
	}
	for _, j := range jobs {
		p.addJob(j.object)
	}
	distinct(p.shards, func(s *afe.Ref) *string { return &s.Hostname })
	distinct(p.labels, func(l *afe.Label) *string { return &l.Name })
	distinct(p.groups, func(g *afe.ACLGroup) *string { return &g.Name })
	distinct(p.users, func(u *afe.User) *string { return &u.Login })
	return p
}

// distinct lets the newest id have a name that a response gives to two: the
// master made it after it removed the other.
func distinct[T any](byID map[int64]T, name func(*T) *string) {
	holder := make(map[string]int64, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		value := byID[id]
		if older, ok := holder[*name(&value)]; ok {
			old := byID[older]
			*name(&old) = fmt.Sprintf("%s (was id %d)", *name(&old), older)
			byID[older] = old
		}
		holder[*name(&value)] = id
	}
}

func (p parents) addHost(h *afe.Host) {
	p.addShard(h.Shard)
	for _, l := range h.Labels {
		p.labels[l.ID] = l
	}
	for _, g := range h.ACLGroups {
		for _, u := range g.Users {
			p.users[u.ID], p.members[member{g.ID, u.ID}] = u, true
		}
		g.Users = nil
		p.groups[g.ID] = g
	}
}

func (p parents) addJob(j *afe.Job) {
	p.addShard(j.Shard)
	for _, l := range j.DependencyLabels {
		p.labels[l.ID] = l
	}
	for _, e := range j.Entries {
		if e.MetaHost.Value != nil {
			p.labels[e.MetaHost.Value.ID] = *e.MetaHost.Value
		}
	}
}

func (p parents) addShard(ref afe.Maybe[*afe.Ref]) {
	if ref.Value != nil {
		p.shards[ref.Value.ID] = *ref.Value
	}
}

// storeParents stores all that a response names before any object, so that names
// and memberships move once and an object that is set aside spoils none. When
// one of them cannot be stored, each chunk stores its own, by its own words.
func (a *applier) storeParents(ctx context.Context, all parents) error {
	err := a.c.write(ctx, func(q *sharddb.Queries) error { return all.store(ctx, q) })
	if a.parentsByChunk = classify(err) == dataError; a.parentsByChunk {
		return nil
	}
	return err
}

func (p parents) store(ctx context.Context, q *sharddb.Queries) error {
	if err := storeNamed(ctx, p.shards, q.ShardGiveWay, q.ShardStore, q.ShardMoveHosts, q.ShardMoveJobs); err != nil {
		return fmt.Errorf("shards: %w", err)
	}
	if err := storeNamed(ctx, p.labels, q.LabelGiveWay, q.LabelStore, q.LabelCopyHosts, q.LabelCopyJobs); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	if err := storeNamed(ctx, p.groups, q.ACLGroupGiveWay, q.ACLGroupStore, q.ACLGroupCopyHosts, q.ACLGroupCopyUsers); err != nil {
		return fmt.Errorf("ACL groups: %w", err)
	}
	if err := p.storeUsers(ctx, q); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	return nil
}

// storeNamed lets local rows give way, stores the master's rows, and copies what
// belonged to the rows that gave way.
func storeNamed[T any, R ~struct{ OldID, NewID int64 }](
	ctx context.Context, named map[int64]T,
	giveWay func(context.Context, []byte) ([]R, error),
	store func(context.Context, []byte) (int64, error),
	copies ...func(ctx context.Context, oldIDs, newIDs []int64) (int64, error),
) error {
	if len(named) == 0 {
		return nil
	}
	sent, err := jsonRows(named)
	if err != nil {
		return err
	}
	rows, err := giveWay(ctx, sent)
	if err != nil {
		return err
	}
	if _, err := store(ctx, sent); err != nil {
		return err
	}
	var oldIDs, newIDs []int64
	for _, row := range rows {
		moved := struct{ OldID, NewID int64 }(row)
		// An old id that the response names itself was renamed by the master; what it
		// had stays with it.
		if _, renamed := named[moved.OldID]; !renamed {
			oldIDs, newIDs = append(oldIDs, moved.OldID), append(newIDs, moved.NewID)
		}
	}
	for _, copyTo := range copies {
		if len(oldIDs) == 0 {
			break
		}
		if _, err := copyTo(ctx, oldIDs, newIDs); err != nil {
			return err
		}
	}
	return nil
}

// storeUsers stores users and their ACL groups. Memberships follow the login: it
// is what the master checks permissions by, and an id may come to mean another
// login.
func (p parents) storeUsers(ctx context.Context, q *sharddb.Queries) error {
	if len(p.users) == 0 {
		return nil
	}
	users, err := jsonRows(p.users)
	if err != nil {
		return err
	}
	kept, err := q.UserMembershipsByLogin(ctx, users)
	if err != nil {
		return err
	}
	for _, statement := range []func(context.Context, []byte) (int64, error){q.UserRevokeOtherLogins, q.UserGiveWay, q.UserStore} {
		if _, err := statement(ctx, users); err != nil {
			return err
		}
	}
	var groupIDs, userIDs []int64
	for _, row := range kept {
		groupIDs, userIDs = append(groupIDs, row.AclgroupID), append(userIDs, row.UserID)
	}
	for m := range p.members {
		groupIDs, userIDs = append(groupIDs, m.group), append(userIDs, m.user)
	}
	_, err = q.ACLGroupAddUsers(ctx, groupIDs, userIDs)
	return err
}

// jsonRows are rows by id.
func jsonRows[T any](named map[int64]T) ([]byte, error) {
	rows := make([]T, 0, len(named))
	for _, id := range slices.Sorted(maps.Keys(named)) {
		rows = append(rows, named[id])
	}
	return json.Marshal(rows)
}
