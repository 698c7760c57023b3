package admin

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
)

// RemovedHosts says what [Admin.RemoveHosts] did.
type RemovedHosts struct {
	Hosts   []Change `json:"hosts"`
	Aborted int64    `json:"aborted_entries"`
}

// RemoveHosts removes hosts. They become invalid and lose their shard, labels, ACL groups and
// attributes. Their entries that are not complete are aborted in the name of a user. The rows of
// the hosts stay, because finished entries refer to them.
func (a *Admin) RemoveHosts(ctx context.Context, by string, hostnames ...string) (RemovedHosts, error) {
	return write(ctx, a, "remove hosts", func(q *masterdb.Queries) (removed RemovedHosts, err error) {
		names, err := checkNames("host", hostnames)
		if err != nil {
			return removed, err
		}
		userID, err := ensureUser(ctx, q, by)
		if err != nil {
			return removed, err
		}
		// Entries must be locked before hosts. Once the hosts are locked, no job can be created for
		// them; the second pass aborts jobs that were created between the first pass and the lock.
		before, err := abortOnHosts(ctx, q, userID, names)
		if err != nil {
			return removed, err
		}
		rows, err := q.AdminHostLockToRemove(ctx, names)
		if err != nil {
			return removed, fmt.Errorf("lock hosts: %w", err)
		}
		after, err := abortOnHosts(ctx, q, userID, names)
		if err != nil {
			return removed, err
		}
		removed.Aborted = before + after
		removed.Hosts, err = removeHosts(ctx, q, names, rows)
		return removed, err
	})
}

func abortOnHosts(ctx context.Context, q *masterdb.Queries, userID int64, hostnames []string) (int64, error) {
	rows, err := q.AdminEntryLockOfHosts(ctx, hostnames)
	if err != nil {
		return 0, fmt.Errorf("lock entries: %w", err)
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return abortEntries(ctx, q, userID, ids)
}

func removeHosts(
	ctx context.Context, q *masterdb.Queries, names []string, rows []masterdb.AdminHostLockToRemoveRow,
) ([]Change, error) {
	found := map[string]bool{}
	var changes []Change
	var ids []int64
	for _, row := range rows {
		found[row.Hostname] = true
		changes = append(changes, Change{row.ID, row.Hostname, Removed})
		ids = append(ids, row.ID)
	}
	if err := missing("host", names, found); err != nil {
		return nil, err
	}
	if _, err := q.AdminHostRemove(ctx, ids); err != nil {
		return nil, fmt.Errorf("mark hosts as invalid: %w", err)
	}
	return changes, nil
}
