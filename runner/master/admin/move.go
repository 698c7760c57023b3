package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shardclient/gen/masterdb"
)

// boardPrefix is how the labels begin that say what kind a host is. In Autotest a host has exactly
// one of these labels, and shards are given no other labels.
const boardPrefix = "board:"

// AttachLabel gives a label to hosts. A host that would then belong to two shards is a
// [*TornError].
func (a *Admin) AttachLabel(ctx context.Context, label string, hostnames ...string) ([]Change, error) {
	return write(ctx, a, "attach label", func(q *masterdb.Queries) ([]Change, error) {
		labels, err := findLabels(ctx, q, []string{label})
		if err != nil {
			return nil, err
		}
		hosts, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		ids := hostIDs(hosts)
		attached, err := q.AdminHostLabelAdd(ctx, ids, slices.Repeat([]int64{labels[label].ID}, len(ids)))
		if err != nil {
			return nil, fmt.Errorf("store labels of hosts: %w", err)
		}
		return hostChanges(hosts, attached), checkTorn(ctx, q, ids, nil)
	})
}

// DetachLabel takes a label from hosts. A host loses its shard when it no longer has any label of
// that shard.
func (a *Admin) DetachLabel(ctx context.Context, label string, hostnames ...string) ([]Change, error) {
	return write(ctx, a, "detach label", func(q *masterdb.Queries) ([]Change, error) {
		labels, err := findLabels(ctx, q, []string{label})
		if err != nil {
			return nil, err
		}
		hosts, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		ids := hostIDs(hosts)
		detached, err := q.AdminHostLabelRemove(ctx, ids, labels[label].ID)
		if err != nil {
			return nil, fmt.Errorf("remove labels of hosts: %w", err)
		}
		_, err = release(ctx, q, ids)
		return hostChanges(hosts, detached), err
	})
}

// MoveHosts moves hosts to another board: the label replaces all their other board: labels. A host
// that no longer has any label of its shard loses it, and belongs to none until the shard of the
// new board takes the host. The result says which hosts were moved.
func (a *Admin) MoveHosts(ctx context.Context, label string, hostnames ...string) ([]Change, error) {
	return write(ctx, a, "move hosts", func(q *masterdb.Queries) ([]Change, error) {
		if !strings.HasPrefix(label, boardPrefix) {
			return nil, &InvalidError{Kind: "label", Name: label, Cause: "it does not begin with " + boardPrefix}
		}
		labels, err := findLabels(ctx, q, []string{label})
		if err != nil {
			return nil, err
		}
		rows, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		ids, labelID := hostIDs(rows), labels[label].ID
		left, err := q.AdminHostBoardRemove(ctx, ids, labelID)
		if err != nil {
			return nil, fmt.Errorf("remove labels of hosts: %w", err)
		}
		came, err := q.AdminHostLabelAdd(ctx, ids, slices.Repeat([]int64{labelID}, len(ids)))
		if err != nil {
			return nil, fmt.Errorf("store labels of hosts: %w", err)
		}
		if _, err := release(ctx, q, ids); err != nil {
			return nil, err
		}
		return hostChanges(rows, append(left, came...)), checkTorn(ctx, q, ids, nil)
	})
}

// lockHosts locks hosts and returns them in the order of their ids. All must exist.
func lockHosts(ctx context.Context, q *masterdb.Queries, hostnames []string) ([]masterdb.AdminHostLockRow, error) {
	names, err := checkNames("host", hostnames)
	if err != nil {
		return nil, err
	}
	rows, err := q.AdminHostLock(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("lock hosts: %w", err)
	}
	found := map[string]bool{}
	for _, row := range rows {
		found[row.Hostname] = true
	}
	return rows, missing("host", names, found)
}

func hostIDs(rows []masterdb.AdminHostLockRow) []int64 {
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// hostChanges says which of the hosts were changed.
func hostChanges(rows []masterdb.AdminHostLockRow, changed []int64) []Change {
	outcomes := map[int64]Outcome{}
	for _, id := range changed {
		outcomes[id] = Changed
	}
	changes := make([]Change, len(rows))
	for i, row := range rows {
		changes[i] = Change{row.ID, row.Hostname, Unchanged}
		if outcome, ok := outcomes[row.ID]; ok {
			changes[i].Outcome = outcome
		}
	}
	return changes
}

// release takes the shard from hosts that no longer have any label of it, and returns how many
// these are. The hosts are locked: a heartbeat that is about to take one waits, and then decides
// anew.
func release(ctx context.Context, q *masterdb.Queries, ids []int64) (int64, error) {
	released, err := q.AdminHostRelease(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("release hosts: %w", err)
	}
	return int64(len(released)), nil
}

// checkTorn returns a [*TornError] if one of the hosts, or of the hosts that carry one of the
// labels, belongs to two shards.
func checkTorn(ctx context.Context, q *masterdb.Queries, hostIDs, labelIDs []int64) error {
	torn, err := q.AdminHostsTorn(ctx, hostIDs, labelIDs)
	switch {
	case err != nil:
		return fmt.Errorf("look for hosts of two shards: %w", err)
	case len(torn) > 0:
		shards := [2]string{torn[0].FirstShard, torn[0].LastShard}
		return &TornError{Kind: "host", Name: torn[0].Hostname, Shards: shards}
	}
	return nil
}
