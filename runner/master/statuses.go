package master

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// statuses returns the known hosts with their statuses, which a master of 2015 passes over.
func (b *beat) statuses() (ids []int64, statuses []string) {
	if b.protocol == afe.Protocol2015 {
		return nil, nil
	}
	return b.args.knownHostIDs, b.args.knownStatuses
}

// compareHosts compares the known hosts with those here, once. It fails if there is not one status
// for each known host.
func (b *beat) compareHosts(ctx context.Context) ([]pg.Ask, error) {
	ids, statuses := b.statuses()
	switch {
	case len(ids) != len(statuses):
		return nil, &fault{name: "AssertionError"}
	case b.known != nil:
		return nil, nil
	}
	b.known = &masterdb.HostsKnownRow{}
	if len(ids) == 0 {
		return nil, nil
	}
	params := masterdb.HostsKnownParams{Ids: ids, Statuses: statuses, ShardID: b.shard.ID}
	return []pg.Ask{ask(b.known, "compare known hosts", func(q *masterdb.Queries) (masterdb.HostsKnownRow, error) {
		return q.HostsKnown(ctx, params)
	})}, nil
}

// storeStatuses checks and stores the statuses of known hosts, if any differs. It locks these hosts
// and those that may be sent, and ends with the snapshot of a moment when all is locked.
func (b *beat) storeStatuses(ctx context.Context, l *locked) (asks []pg.Ask) {
	ids, statuses := b.statuses()
	if !b.known.Differ {
		ids, statuses = []int64{}, []string{}
	}
	if b.known.Differ {
		refused := masterdb.HostStatusRefusedParams{Ids: ids, Statuses: statuses, Login: b.args.user, Nocase: b.nocase}
		asks = append(asks, ask(&l.refused, "check host statuses", func(q *masterdb.Queries) ([]masterdb.HostStatusRefusedRow, error) {
			return q.HostStatusRefused(ctx, refused)
		}))
	}
	if b.known.Differ || len(b.hosts) > 0 {
		lock := masterdb.HostLockParams{CandidateIds: idsOf(b.hosts), Ids: ids, Statuses: statuses}
		asks = append(asks, ask(&l.hosts, "lock hosts", func(q *masterdb.Queries) ([]masterdb.HostLockRow, error) {
			return q.HostLock(ctx, lock)
		}))
	}
	if b.known.Differ {
		asks = append(asks, do("store host statuses", func(q *masterdb.Queries) error {
			_, err := q.HostSetStatus(ctx, ids, statuses)
			return err
		}))
	}
	if len(b.hosts)+len(b.jobs) > 0 {
		asks = append(asks, ask(&l.snapshot, "name the snapshot", func(q *masterdb.Queries) (string, error) { return q.SnapshotSeen(ctx) }))
	}
	return asks
}

// refusal says which host may not have the status that was sent. Nothing of what was stored after
// the check is committed then.
func (b *beat) refusal(l *locked) error {
	switch {
	case len(l.refused) == 0:
		return nil
	case !l.refused[0].Known:
		return doesNotExist("Host", "pk", fmt.Sprint(l.refused[0].ID))
	}
	return &fault{name: "AclAccessViolation", message: b.args.user + " does not have access to " + l.refused[0].Hostname}
}
