package shard

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/shard"
	"shardclient/runner/afe"
)

// hostNames finds a second host with the hostname of another one in a response.
type hostNames map[string]int64

func newHostNames() hostNames { return hostNames{} }

func (n hostNames) check(h *afe.Host) error {
	if other, taken := n[h.Hostname]; taken {
		return &codedError{codeNameTaken, fmt.Sprintf("hostname %q belongs to host %d, which came first in this response", h.Hostname, other)}
	}
	n[h.Hostname] = h.ID
	return nil
}

// storeHosts stores a chunk of hosts with their labels, attributes and ACL groups.
func (a *applier) storeHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[afe.Host]) ([]setAside, error) {
	chunk, bad, err := withoutTakenNames(ctx, q, chunk)
	if err != nil || len(chunk) == 0 {
		return bad, err
	}
	named := newParents()
	for _, u := range chunk {
		named.addHost(u.object)
	}
	if err := a.storeParents(ctx, q, named); err != nil {
		return nil, err
	}
	rows := hostRows(chunk)
	if _, err := q.StageHosts(ctx, rows.hosts); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	for _, merge := range []func(context.Context) (int64, error){q.HostGiveWay, q.HostUpdate, q.HostInsert, q.StagedHostsClear} {
		if _, err := merge(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := q.HostAddLabels(ctx, rows.labelHosts, rows.labels); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	if _, err := q.HostAddACLGroups(ctx, rows.groups, rows.groupHosts); err != nil {
		return nil, fmt.Errorf("ACL groups: %w", err)
	}
	if _, err := q.HostReplaceAttributes(ctx, rows.attributes); err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	return bad, forget(ctx, a, q, kindHost, chunk)
}

// withoutTakenNames sets aside hosts whose name belongs to a valid host here.
func withoutTakenNames(ctx context.Context, q *sharddb.Queries, chunk []unit[afe.Host]) ([]unit[afe.Host], []setAside, error) {
	var ids []int64
	var hostnames []string
	for _, u := range chunk {
		ids, hostnames = append(ids, u.object.ID), append(hostnames, u.object.Hostname)
	}
	taken, err := q.HostNamesTaken(ctx, ids, hostnames)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken names: %w", err)
	}
	reasons := make(map[int64]string, len(taken))
	for _, row := range taken {
		reasons[row.ID] = fmt.Sprintf("its hostname belongs to host %d here, which is valid", row.HolderID)
	}
	good, bad := split(chunk, codeNameTaken, func(h *afe.Host) string { return reasons[h.ID] })
	return good, bad, nil
}

// split sets aside the objects for which there is a reason.
func split[T any](chunk []unit[T], code string, reason func(*T) string) (good []unit[T], bad []setAside) {
	for _, u := range chunk {
		if why := reason(u.object); why != "" {
			aside := u.aside
			aside.Code, aside.Reason = code, why
			bad = append(bad, aside)
			continue
		}
		good = append(good, u)
	}
	return good, bad
}

// forget takes what was stored out of the quarantine, unless another object with
// the same id was set aside by this very beat.
func forget[T any](ctx context.Context, a *applier, q *sharddb.Queries, kind string, chunk []unit[T]) error {
	var ids []int64
	for _, u := range chunk {
		if !a.badIDs[kind][u.aside.ID] {
			ids = append(ids, u.aside.ID)
		}
	}
	args := sharddb.QuarantineForgetParams{Direction: directionIn, Kind: kind, ObjectIds: ids}
	if _, err := q.QuarantineForget(ctx, args); err != nil {
		return fmt.Errorf("take out of the quarantine: %w", err)
	}
	return nil
}

// hostColumns are the rows of a chunk, as the statements take them.
type hostColumns struct {
	hosts                                  []sharddb.StageHostsParams
	labelHosts, labels, groups, groupHosts []int64
	attributes                             sharddb.HostReplaceAttributesParams
}

func hostRows(chunk []unit[afe.Host]) hostColumns {
	var rows hostColumns
	for _, u := range chunk {
		h := u.object
		rows.hosts = append(rows.hosts, sharddb.StageHostsParams{
			ID: h.ID, Hostname: h.Hostname, Locked: h.Locked, Leased: h.Leased, SynchID: h.SynchID,
			Status: h.Status, Invalid: orNull(h.Invalid), Protection: h.Protection,
			LockTime: timestamp(h.LockTime), Dirty: h.Dirty, LockReason: h.LockReason,
			ShardSent: h.Shard.Sent, ShardID: shardID(h.Shard),
		})
		for _, l := range h.Labels {
			rows.labelHosts, rows.labels = append(rows.labelHosts, h.ID), append(rows.labels, l.ID)
		}
		for _, g := range h.ACLGroups {
			rows.groupHosts, rows.groups = append(rows.groupHosts, h.ID), append(rows.groups, g.ID)
		}
		if h.Attributes.Sent {
			rows.attributes.ReplacedHostIds = append(rows.attributes.ReplacedHostIds, h.ID)
		}
		for _, attribute := range h.Attributes.Value {
			rows.attributes.HostIds = append(rows.attributes.HostIds, h.ID)
			rows.attributes.Attributes = append(rows.attributes.Attributes, attribute.Attribute)
			rows.attributes.AttributeValues = append(rows.attributes.AttributeValues, attribute.Value)
		}
	}
	return rows
}

func shardID(ref afe.Maybe[*afe.Ref]) *int64 {
	if ref.Value == nil {
		return nil
	}
	return &ref.Value.ID
}

// orNull is NULL for what was not sent.
func orNull(b afe.Maybe[bool]) *bool {
	if !b.Sent {
		return nil
	}
	return &b.Value
}

func timestamp(t *afe.Time) pgtype.Timestamp {
	if t == nil {
		return pgtype.Timestamp{}
	}
	return pgtype.Timestamp{Time: t.Time, Valid: true}
}
