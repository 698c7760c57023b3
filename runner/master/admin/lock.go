package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"shardclient/gen/masterdb"
)

// LockedHost is a host that LockHosts or UnlockHosts was called for, as it is afterwards.
type LockedHost struct {
	Change
	LockedBy   string     `json:"locked_by"`
	LockTime   *time.Time `json:"lock_time"`
	LockReason string     `json:"lock_reason"`
	// Shard has the host already, if it is not empty. It is not told of the lock until the host is another's for a while.
	Shard string `json:"shard"`
}

// LockHosts keeps hosts from being used, in the name of a user, who is made when there is none. A host that is locked
// already stays as it is.
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

// UnlockHosts is the way back from LockHosts.
func (a *Admin) UnlockHosts(ctx context.Context, hostnames ...string) ([]LockedHost, error) {
	return write(ctx, a, "unlock hosts", func(q *masterdb.Queries) ([]LockedHost, error) {
		rows, err := lockHosts(ctx, q, hostnames)
		if err != nil {
			return nil, err
		}
		hosts, changed := lockedHosts(rows, false)
		for i := range hosts {
			hosts[i].LockedBy, hosts[i].LockTime, hosts[i].LockReason = "", nil, ""
		}
		if _, err := q.AdminHostUnlock(ctx, changed); err != nil {
			return nil, fmt.Errorf("remove locks: %w", err)
		}
		return hosts, nil
	})
}

// lockedHosts also returns the ids of those whose lock has to change.
func lockedHosts(rows []masterdb.AdminHostLockRow, want bool) (hosts []LockedHost, changed []int64) {
	for _, row := range rows {
		host := LockedHost{Change{row.ID, row.Hostname, Unchanged}, row.LockedBy, timeOf(row.LockTime), row.LockReason, row.Shard}
		if row.Locked != want {
			host.Outcome = Changed
			changed = append(changed, row.ID)
		}
		hosts = append(hosts, host)
	}
	return hosts, changed
}
