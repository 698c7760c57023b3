package master

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/masterdb"
)

// givenHosts are hosts that are sent, with all that belongs to them, in the order of the hosts.
type givenHosts struct {
	hosts      []masterdb.HostsGivenRow
	labels     []masterdb.HostLabelsGivenRow
	groups     []masterdb.HostGroupsGivenRow
	attributes []masterdb.AfeHostAttribute
	groupTexts map[int64]text // a group may have everybody in the lab as a member
}

// readHosts reads the hosts with these ids.
func (b *beat) readHosts(ctx context.Context, ids []int64) (g givenHosts, err error) {
	if len(ids) == 0 {
		return g, nil
	}
	if g.hosts, err = b.q.HostsGiven(ctx, ids); err != nil {
		return g, fmt.Errorf("read hosts: %w", err)
	}
	if g.labels, err = b.q.HostLabelsGiven(ctx, ids); err != nil {
		return g, fmt.Errorf("read labels of hosts: %w", err)
	}
	if g.groups, err = b.q.HostGroupsGiven(ctx, ids); err != nil {
		return g, fmt.Errorf("read ACL groups of hosts: %w", err)
	}
	if g.attributes, err = b.q.HostAttributesGiven(ctx, ids); err != nil {
		return g, fmt.Errorf("read attributes of hosts: %w", err)
	}
	groups := make([]int64, len(g.groups))
	for i, member := range g.groups {
		groups[i] = member.AclgroupID
	}
	g.groupTexts, err = b.readGroups(ctx, once(groups))
	return g, err
}

// readGroups returns ACL groups with their members, as JSON.
func (b *beat) readGroups(ctx context.Context, ids []int64) (map[int64]text, error) {
	groups, err := b.q.GroupsGiven(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read ACL groups: %w", err)
	}
	users, err := b.q.GroupUsersGiven(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read users of ACL groups: %w", err)
	}
	texts := make(map[int64]text, len(groups))
	for _, g := range groups {
		t := text{'{'}
		t.integer("id", g.ID)
		t.string("name", g.Name)
		t.string("description", g.Description)
		members := first(&users, g.ID, func(u masterdb.GroupUsersGivenRow) int64 { return u.AclgroupID })
		list(&t, "users", members, t.user)
		texts[g.ID] = append(t, '}')
	}
	return texts, nil
}

// readLabels returns labels as JSON.
func (b *beat) readLabels(ctx context.Context, ids []int64) (map[int64]text, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	labels, err := b.q.LabelsGiven(ctx, once(ids))
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
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
	return texts, nil
}

// once returns each id once.
func once(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// hosts writes the hosts of a shard as a member. lock_reason came with 2019.
func (t *text) hosts(g givenHosts, labels map[int64]text, shard masterdb.AfeShard, lockReasons bool) {
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
		groups := first(&g.groups, h.ID, func(m masterdb.HostGroupsGivenRow) int64 { return m.HostID })
		list(t, "aclgroup_set", groups, func(m masterdb.HostGroupsGivenRow) { *t = append(*t, g.groupTexts[m.AclgroupID]...) })
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
