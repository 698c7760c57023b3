package shard

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/shard"
	"shardclient/runner/afe"
)

// parents are the shards, labels, ACL groups and users that a response names, by
// id. A response is not built in one transaction of the master, so two objects
// may disagree; the last word on an id counts.
type parents struct {
	shards map[int64]string
	labels map[int64]afe.Label
	groups map[int64]afe.ACLGroup
	users  map[int64]afe.User
}

func newParents() parents {
	return parents{
		shards: map[int64]string{}, labels: map[int64]afe.Label{},
		groups: map[int64]afe.ACLGroup{}, users: map[int64]afe.User{},
	}
}

// collectParents gathers what all objects of a response name, so that every
// chunk means the same by an id.
func collectParents(hosts []unit[afe.Host], jobs []unit[afe.Job]) parents {
	p := newParents()
	for _, h := range hosts {
		p.addHost(h.object)
	}
	for _, j := range jobs {
		p.addJob(j.object)
	}
	distinct(p.shards, func(s string) string { return s }, func(s *string, name string) { *s = name })
	distinct(p.labels, func(l afe.Label) string { return l.Name }, func(l *afe.Label, name string) { l.Name = name })
	distinct(p.groups, func(g afe.ACLGroup) string { return g.Name }, func(g *afe.ACLGroup, name string) { g.Name = name })
	distinct(p.users, func(u afe.User) string { return u.Login }, func(u *afe.User, name string) { u.Login = name })
	return p
}

// distinct lets the newest id have a name that a response gives to two: the
// master made it after it removed the other.
func distinct[T any](byID map[int64]T, name func(T) string, rename func(*T, string)) {
	holder := make(map[string]int64, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		value := byID[id]
		if older, ok := holder[name(value)]; ok {
			old := byID[older]
			rename(&old, gaveWay(name(old), older))
			byID[older] = old
		}
		holder[name(value)] = id
	}
}

// gaveWay is the name of a row whose own name now belongs to another id.
func gaveWay(name string, id int64) string { return fmt.Sprintf("%s (was id %d)", name, id) }

func (p parents) addHost(h *afe.Host) {
	p.addShard(h.Shard)
	for _, l := range h.Labels {
		p.labels[l.ID] = l
	}
	for _, g := range h.ACLGroups {
		p.groups[g.ID] = g
		for _, u := range g.Users {
			p.users[u.ID] = u
		}
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
		p.shards[ref.Value.ID] = ref.Value.Hostname
	}
}

// storeParents stores those parents that the objects of a chunk name, as the
// whole response knows them.
func (a *applier) storeParents(ctx context.Context, q *sharddb.Queries, named parents) error {
	if err := storeShards(ctx, q, named.shards, a.parents.shards); err != nil {
		return fmt.Errorf("shards: %w", err)
	}
	if err := storeLabels(ctx, q, named.labels, a.parents.labels); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	if err := storeGroups(ctx, q, named.groups, a.parents.groups); err != nil {
		return fmt.Errorf("ACL groups: %w", err)
	}
	if err := storeUsers(ctx, q, named, a.parents.users); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	return nil
}

func storeShards(ctx context.Context, q *sharddb.Queries, named, all map[int64]string) error {
	if len(named) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(named))
	hostnames := pick(ids, all, func(s string) string { return s })
	moved, err := q.ShardGiveWay(ctx, ids, hostnames)
	if err != nil {
		return err
	}
	if _, err := q.ShardStore(ctx, ids, hostnames); err != nil {
		return err
	}
	var m moves
	for _, row := range moved {
		addMove(&m, row.OldID, row.NewID, all)
	}
	return m.run(ctx, q.ShardMoveHosts, q.ShardMoveJobs)
}

func storeLabels(ctx context.Context, q *sharddb.Queries, named, all map[int64]afe.Label) error {
	if len(named) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(named))
	names := pick(ids, all, func(l afe.Label) string { return l.Name })
	moved, err := q.LabelGiveWay(ctx, ids, names)
	if err != nil {
		return err
	}
	if _, err := q.LabelStore(ctx, sharddb.LabelStoreParams{
		Ids:           ids,
		Names:         names,
		KernelConfigs: pick(ids, all, func(l afe.Label) string { return l.KernelConfig }),
		Platforms:     pick(ids, all, func(l afe.Label) bool { return l.Platform }),
		Invalids:      pick(ids, all, func(l afe.Label) bool { return l.Invalid }),
		OnlyIfNeeded:  pick(ids, all, func(l afe.Label) bool { return l.OnlyIfNeeded }),
	}); err != nil {
		return err
	}
	var m moves
	for _, row := range moved {
		addMove(&m, row.OldID, row.NewID, all)
	}
	return m.run(ctx, q.LabelCopyHosts, q.LabelCopyJobs)
}

func storeGroups(ctx context.Context, q *sharddb.Queries, named, all map[int64]afe.ACLGroup) error {
	if len(named) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(named))
	names := pick(ids, all, func(g afe.ACLGroup) string { return g.Name })
	moved, err := q.ACLGroupGiveWay(ctx, ids, names)
	if err != nil {
		return err
	}
	if _, err := q.ACLGroupStore(ctx, sharddb.ACLGroupStoreParams{
		Ids:          ids,
		Names:        names,
		Descriptions: pick(ids, all, func(g afe.ACLGroup) string { return g.Description }),
	}); err != nil {
		return err
	}
	var m moves
	for _, row := range moved {
		addMove(&m, row.OldID, row.NewID, all)
	}
	return m.run(ctx, q.ACLGroupCopyHosts, q.ACLGroupCopyUsers)
}

// storeUsers stores users and their ACL groups. Memberships follow the login: it
// is what the master checks permissions by, and an id may come to mean another
// login.
func storeUsers(ctx context.Context, q *sharddb.Queries, named parents, all map[int64]afe.User) error {
	if len(named.users) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(named.users))
	logins := pick(ids, all, func(u afe.User) string { return u.Login })
	kept, err := q.UserMembershipsByLogin(ctx, ids, logins)
	if err != nil {
		return err
	}
	if _, err := q.UserRevokeOtherLogins(ctx, ids, logins); err != nil {
		return err
	}
	if _, err := q.UserGiveWay(ctx, ids, logins); err != nil {
		return err
	}
	if _, err := q.UserStore(ctx, sharddb.UserStoreParams{
		Ids:              ids,
		Logins:           logins,
		AccessLevels:     pick(ids, all, func(u afe.User) int32 { return u.AccessLevel }),
		RebootBefore:     pick(ids, all, func(u afe.User) int32 { return u.RebootBefore }),
		RebootAfter:      pick(ids, all, func(u afe.User) int32 { return u.RebootAfter }),
		ShowExperimental: pick(ids, all, func(u afe.User) bool { return u.ShowExperimental }),
	}); err != nil {
		return err
	}
	var groupIDs, userIDs []int64
	for _, row := range kept {
		groupIDs, userIDs = append(groupIDs, row.AclgroupID), append(userIDs, row.UserID)
	}
	for _, g := range named.groups {
		for _, u := range g.Users {
			groupIDs, userIDs = append(groupIDs, g.ID), append(userIDs, u.ID)
		}
	}
	_, err = q.ACLGroupAddUsers(ctx, groupIDs, userIDs)
	return err
}

// moves are rows that gave their name to another id.
type moves struct{ oldIDs, newIDs []int64 }

// addMove leaves out an old id that the response names itself: the master
// renamed that one, and what it had stays with it.
func addMove[T any](m *moves, oldID, newID int64, all map[int64]T) {
	if _, renamed := all[oldID]; !renamed {
		m.oldIDs, m.newIDs = append(m.oldIDs, oldID), append(m.newIDs, newID)
	}
}

func (m *moves) run(ctx context.Context, copies ...func(context.Context, []int64, []int64) (int64, error)) error {
	if len(m.oldIDs) == 0 {
		return nil
	}
	for _, copyTo := range copies {
		if _, err := copyTo(ctx, m.oldIDs, m.newIDs); err != nil {
			return err
		}
	}
	return nil
}

// pick is one column of the rows with the given ids.
func pick[T, V any](ids []int64, rows map[int64]T, field func(T) V) []V {
	column := make([]V, len(ids))
	for i, id := range ids {
		column[i] = field(rows[id])
	}
	return column
}
