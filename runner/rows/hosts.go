package rows

import (
	"context"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// Hosts are the rows of new hosts, as COPY takes them.
type Hosts struct {
	hosts      []sharddb.HostsCopyParams
	labels     []sharddb.HostLabelsCopyParams
	groups     []sharddb.HostGroupsCopyParams
	attributes []sharddb.HostAttributesCopyParams
	refer      references
}

// Lock locks what the rows refer to, and returns the hosts that need what another session has
// locked, each with what that is.
func (r *Hosts) Lock(ctx context.Context, q *sharddb.Queries) (map[int64]string, error) {
	return r.refer.lock(ctx, q)
}

// Store stores the rows, in the order of the foreign keys.
func (r *Hosts) Store(ctx context.Context, q *sharddb.Queries) error {
	if err := copyRows(ctx, "afe_hosts", r.hosts, q.HostsCopy); err != nil {
		return err
	}
	if err := copyRows(ctx, "afe_hosts_labels", r.labels, q.HostLabelsCopy); err != nil {
		return err
	}
	if err := copyRows(ctx, "afe_acl_groups_hosts", r.groups, q.HostGroupsCopy); err != nil {
		return err
	}
	return copyRows(ctx, "afe_host_attributes", r.attributes, q.HostAttributesCopy)
}

// Add adds the rows of a host.
func (r *Hosts) Add(h *objects.Host) {
	r.hosts = append(r.hosts, sharddb.HostsCopyParams{
		ID:         h.ID,
		Hostname:   h.Hostname,
		Locked:     h.Locked,
		Leased:     h.Leased,
		SynchID:    h.SynchID,
		Status:     h.Status,
		Invalid:    h.Invalid.Value,
		Protection: h.Protection,
		LockTime:   Timestamp(h.LockTime),
		Dirty:      h.Dirty,
		LockReason: h.LockReason,
		ShardID:    shardID(h.Shard),
	})
	r.refer.shards.add(h.ID, shardID(h.Shard))
	for _, id := range distinct(h.Labels, func(l *objects.Label) int64 { return l.ID }) {
		r.labels = append(r.labels, sharddb.HostLabelsCopyParams{HostID: h.ID, LabelID: id})
		r.refer.labels.add(h.ID, &id)
	}
	for _, id := range distinct(h.ACLGroups, func(g *objects.ACLGroup) int64 { return g.ID }) {
		r.groups = append(r.groups, sharddb.HostGroupsCopyParams{AclgroupID: id, HostID: h.ID})
		r.refer.groups.add(h.ID, &id)
	}
	for _, attribute := range h.Attributes.Value {
		r.attributes = append(r.attributes, sharddb.HostAttributesCopyParams{
			HostID: h.ID, Attribute: attribute.Attribute, Value: attribute.Value,
		})
	}
}

// MergeHosts stores the staged hosts, with their labels, ACL groups and attributes.
func MergeHosts(ctx context.Context, q *sharddb.Queries, body []byte) error {
	if _, err := q.HostGiveWay(ctx); err != nil {
		return err
	}
	if err := Whole(
		Step{"afe_hosts", func() (int64, error) { return q.HostUpdate(ctx) }},
		Step{"afe_hosts", func() (int64, error) { return q.HostInsert(ctx) }},
		Step{"afe_hosts_labels", func() (int64, error) { return q.HostAddLabels(ctx, body) }},
		Step{"afe_acl_groups_hosts", func() (int64, error) { return q.HostAddACLGroups(ctx, body) }},
		Step{"afe_host_attributes", func() (int64, error) { return q.HostReplaceAttributes(ctx, body) }},
	); err != nil {
		return err
	}
	_, err := q.StagedHostsClear(ctx)
	return err
}
