package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"shardclient/gen/masterdb"
)

// LockedHost is a host after [Admin.LockHosts] or [Admin.UnlockHosts].
type LockedHost struct {
	Change
	LockedBy   string     `json:"locked_by"`
	LockTime   *time.Time `json:"lock_time"`
	LockReason string     `json:"lock_reason"`
	// Shard is the shard that has the host already, or empty. It does not learn of the lock until
	// the host has belonged to another shard for a while.
	Shard string `json:"shard"`
}

// LockHosts keeps hosts from being used, in the name of a user, who is made if missing. A host that
// is locked already stays as it is.
func (a *Admin) LockHosts(ctx context.Context, by, reason string, hostnames ...string) ([]LockedHost, error) {
	return write(ctx, a, "lock hosts", func(q *masterdb.Queries) ([]LockedHost, error) {
		if strings.TrimSpace(reason) == "" {
			return nil, &InvalidError{Kind: "lock", Cause: "it needs a reason"}
		}
		userID, err := ensureUser(ctx, q, by)
		if err != nil {
			return nil, err
		}
		rows, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		at := now()
		hosts, changed := lockedHosts(rows, true)
		for i := range hosts {
			if hosts[i].Outcome == Changed {
				hosts[i].LockedBy, hosts[i].LockTime, hosts[i].LockReason = by, timeOf(at), reason
			}
		}
		if _, err := q.AdminHostSetLock(ctx, masterdb.AdminHostSetLockParams{
			Ids: changed, LockedByID: userID, LockTime: at, LockReason: reason,
		}); err != nil {
			return nil, fmt.Errorf("store locks: %w", err)
		}
		return hosts, nil
	})
}

// UnlockHosts lets hosts be used again. The reason of the lock stays with a host, as in an AFE. A
// host that is not locked stays as it is.
func (a *Admin) UnlockHosts(ctx context.Context, hostnames ...string) ([]LockedHost, error) {
	return write(ctx, a, "unlock hosts", func(q *masterdb.Queries) ([]LockedHost, error) {
		rows, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		hosts, changed := lockedHosts(rows, false)
		for i := range hosts {
			hosts[i].LockedBy, hosts[i].LockTime = "", nil
		}
		if _, err := q.AdminHostUnlock(ctx, changed); err != nil {
			return nil, fmt.Errorf("remove locks: %w", err)
		}
		return hosts, nil
	})
}

// LeaseHosts says whether the master itself uses hosts. A host that is leased is not sent to a
// shard, and one that was sent stays with its shard. The result says which hosts were changed.
func (a *Admin) LeaseHosts(ctx context.Context, leased bool, hostnames ...string) ([]Change, error) {
	return write(ctx, a, "lease hosts", func(q *masterdb.Queries) ([]Change, error) {
		rows, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		changed, err := q.AdminHostSetLeased(ctx, leased, hostIDs(rows))
		if err != nil {
			return nil, fmt.Errorf("store leases: %w", err)
		}
		return hostChanges(rows, changed), nil
	})
}

// lockedHosts returns the hosts, and the ids of those whose lock has to change to become want.
func lockedHosts(rows []masterdb.AdminHostLockRow, want bool) (hosts []LockedHost, changed []int64) {
	for _, row := range rows {
		host := LockedHost{
			Change:     Change{row.ID, row.Hostname, Unchanged},
			LockedBy:   row.LockedBy,
			LockTime:   timeOf(row.LockTime),
			LockReason: row.LockReason,
			Shard:      row.Shard,
		}
		if row.Locked != want {
			host.Outcome = Changed
			changed = append(changed, row.ID)
		}
		hosts = append(hosts, host)
	}
	return hosts, changed
}
