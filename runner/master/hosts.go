package master

import (
	"cmp"
	"context"
	"slices"

	"shardclient/gen/masterdb"
	"shardclient/runner/pg"
)

// givenHosts are hosts that are sent, with all that belongs to them, in the order of the hosts.
type givenHosts struct {
	hosts      []masterdb.HostsGivenRow
	labels     []masterdb.HostLabelsGivenRow
	members    []masterdb.HostGroupsGivenRow
	attributes []masterdb.AfeHostAttribute
	groups     []masterdb.AfeAclGroup
	users      []masterdb.GroupUsersGivenRow // of the groups, in their order
}

// read reads the hosts with these ids.
func (g *givenHosts) read(ctx context.Context, ids []int64) []pg.Ask {
	if len(ids) == 0 {
		return nil
	}
	return []pg.Ask{
		ask(&g.hosts, "read hosts", func(q *masterdb.Queries) ([]masterdb.HostsGivenRow, error) { return q.HostsGiven(ctx, ids) }),
		ask(&g.labels, "read labels of hosts", func(q *masterdb.Queries) ([]masterdb.HostLabelsGivenRow, error) {
			return q.HostLabelsGiven(ctx, ids)
		}),
		ask(&g.members, "read ACL groups of hosts", func(q *masterdb.Queries) ([]masterdb.HostGroupsGivenRow, error) {
			return q.HostGroupsGiven(ctx, ids)
		}),
		ask(&g.attributes, "read attributes of hosts", func(q *masterdb.Queries) ([]masterdb.AfeHostAttribute, error) {
			return q.HostAttributesGiven(ctx, ids)
		}),
	}
}

// readGroups reads the ACL groups of the hosts, with their members.
func (g *givenHosts) readGroups(ctx context.Context) []pg.Ask {
	if len(g.members) == 0 {
		return nil
	}
	ids := make([]int64, len(g.members))
	for i, member := range g.members {
		ids[i] = member.AclgroupID
	}
	ids = once(ids)
	return []pg.Ask{
		ask(&g.groups, "read ACL groups", func(q *masterdb.Queries) ([]masterdb.AfeAclGroup, error) { return q.GroupsGiven(ctx, ids) }),
		ask(&g.users, "read users of ACL groups", func(q *masterdb.Queries) ([]masterdb.GroupUsersGivenRow, error) {
			return q.GroupUsersGiven(ctx, ids)
		}),
	}
}

func (g *givenHosts) labelIDs() []int64 {
	ids := make([]int64, len(g.labels))
	for i, l := range g.labels {
		ids[i] = l.LabelID
	}
	return ids
}

// groupTexts returns the ACL groups as JSON. A group may have everybody in the lab as a member.
func (g *givenHosts) groupTexts() map[int64]text {
	texts, users := make(map[int64]text, len(g.groups)), g.users
	for _, group := range g.groups {
		t := text{'{'}
		t.integer("id", group.ID)
		t.string("name", group.Name)
		t.string("description", group.Description)
		members := first(&users, group.ID, func(u masterdb.GroupUsersGivenRow) int64 { return u.AclgroupID })
		list(&t, "users", members, t.user)
		texts[group.ID] = append(t, '}')
	}
	return texts
}

// labelTexts returns labels as JSON.
func labelTexts(labels []masterdb.LabelsGivenRow) map[int64]text {
	texts := make(map[int64]text, len(labels))
	for _, l := range labels {
		t := text{'{'}
		t.integer("id", l.ID)
		t.string("name", l.Name)
		t.string("kernel_config", l.KernelConfig)
		t.boolean("platform", l.Platform)
		t.boolean("invalid", l.Invalid)
		t.boolean("only_if_needed", l.OnlyIfNeeded)
		texts[l.ID] = append(t, '}')
	}
	return texts
}

// once returns each value once.
func once[T cmp.Ordered](values []T) []T {
	slices.Sort(values)
	return slices.Compact(values)
}

// hosts writes the hosts of a shard as a member. lock_reason came with 2019.
func (t *text) hosts(g givenHosts, labels map[int64]text, shard masterdb.AfeShard, lockReasons bool) {
	groupTexts := g.groupTexts()
	list(t, "hosts", g.hosts, func(h masterdb.HostsGivenRow) {
		*t = append(*t, '{')
		t.integer("id", h.ID)
		t.string("hostname", h.Hostname)
		t.string("status", h.Status)
		t.boolean("locked", h.Locked)
		t.boolean("leased", h.Leased)
		t.boolean("invalid", h.Invalid)
		t.boolean("dirty", h.Dirty)
		t.integer("protection", int64(h.Protection))
		orNull(t, "synch_id", h.SynchID, t.integer)
		if lockReasons {
			orNull(t, "lock_reason", h.LockReason, t.string)
		}
		t.moment("lock_time", h.LockTime)
		t.shard(shard)
		own := first(&g.labels, h.ID, func(l masterdb.HostLabelsGivenRow) int64 { return l.HostID })
		list(t, "labels", own, func(l masterdb.HostLabelsGivenRow) { *t = append(*t, labels[l.LabelID]...) })
		groups := first(&g.members, h.ID, func(m masterdb.HostGroupsGivenRow) int64 { return m.HostID })
		list(t, "aclgroup_set", groups, func(m masterdb.HostGroupsGivenRow) { *t = append(*t, groupTexts[m.AclgroupID]...) })
		attributes := first(&g.attributes, h.ID, func(a masterdb.AfeHostAttribute) int64 { return a.HostID })
		list(t, "hostattribute_set", attributes, t.attribute)
		*t = append(*t, '}')
	})
}

func (t *text) user(u masterdb.GroupUsersGivenRow) {
	*t = append(*t, '{')
	t.integer("id", u.ID)
	t.string("login", u.Login)
	t.integer("access_level", int64(u.AccessLevel))
	t.integer("reboot_before", int64(u.RebootBefore))
	t.integer("reboot_after", int64(u.RebootAfter))
	t.boolean("show_experimental", u.ShowExperimental)
	*t = append(*t, '}')
}

func (t *text) attribute(a masterdb.AfeHostAttribute) {
	*t = append(*t, '{')
	t.integer("id", a.ID)
	t.integer("host_id", a.HostID)
	t.string("attribute", a.Attribute)
	t.string("value", a.Value)
	*t = append(*t, '}')
}

func (t *text) shard(s masterdb.AfeShard) {
	t.name("shard")
	*t = append(*t, '{')
	t.integer("id", s.ID)
	t.string("hostname", s.Hostname)
	*t = append(*t, '}')
}
