package master

import (
	"context"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// candidate is a host or a job that may be sent, with the version of its row, which every change of
// the row replaces.
type candidate struct {
	id      int64
	version string
}

func (b *beat) hostsToSend(ctx context.Context, into *[]candidate) pg.Ask {
	return ask(into, "find hosts to send", func(q *masterdb.Queries) ([]candidate, error) {
		rows, err := q.HostsToSend(ctx, b.shard.ID, b.args.knownHostIDs)
		return candidates(rows, func(r masterdb.HostsToSendRow) candidate { return candidate{r.ID, r.Version} }), err
	})
}

// jobsToSend leaves the versions out where nobody wants them: each is a look-up.
func (b *beat) jobsToSend(ctx context.Context, into *[]candidate, versions bool) pg.Ask {
	return ask(into, "find jobs to send", func(q *masterdb.Queries) ([]candidate, error) {
		rows, err := q.JobsToSend(ctx, masterdb.JobsToSendParams{
			ShardID: b.shard.ID, KnownJobIds: b.args.knownJobIDs,
			MetaHosts: b.protocol == afe.Protocol2019, WithoutEntries: b.protocol == afe.Protocol2015,
			Versions: versions,
		})
		return candidates(rows, func(r masterdb.JobsToSendRow) candidate { return candidate{r.ID, r.Version} }), err
	})
}

func candidates[T any](rows []T, of func(T) candidate) []candidate {
	list := make([]candidate, len(rows))
	for i, row := range rows {
		list[i] = of(row)
	}
	return list
}

// choose returns the hosts and jobs that did not change between the reading and the lock, and that
// may still be sent. The second look is needed because the labels of a host or shard, and entries,
// can change without changing the row of a host or job. Where both snapshots have the same name,
// nobody has committed anything in between, and the first look holds.
func (b *beat) choose(ctx context.Context, tx *pg.Tx, l *locked) (hosts, jobs []int64, err error) {
	lockedHosts := candidates(l.hosts, func(r masterdb.HostLockRow) candidate { return candidate{r.ID, r.Version} })
	lockedJobs := candidates(l.jobs, func(r masterdb.JobLockRow) candidate { return candidate{r.ID, r.Version} })
	unchangedHosts, unchangedJobs := both(b.hosts, lockedHosts), both(b.jobs, lockedJobs)
	hostsNow, jobsNow := b.hosts, b.jobs
	moved := b.snapshot != l.snapshot
	var asks []pg.Ask
	if moved && len(unchangedHosts) > 0 {
		asks = append(asks, b.hostsToSend(ctx, &hostsNow))
	}
	if moved && len(unchangedJobs) > 0 {
		asks = append(asks, b.jobsToSend(ctx, &jobsNow, false))
	}
	if len(asks) > 0 {
		asks = append(append([]pg.Ask{b.planCacheMode(ctx, nil)}, asks...), b.planCacheMode(ctx, new(generic)))
		if err := tx.Together(ctx, asks...); err != nil {
			return nil, nil, err
		}
	}
	return stillThere(unchangedHosts, hostsNow), stillThere(unchangedJobs, jobsNow), nil
}

// assign gives the hosts and jobs to the shard.
func (b *beat) assign(ctx context.Context, hosts, jobs []int64) (asks []pg.Ask) {
	if len(hosts) > 0 {
		asks = append(asks, do("assign hosts", func(q *masterdb.Queries) error {
			_, err := q.HostAssign(ctx, b.shard.ID, hosts)
			return err
		}))
	}
	if len(jobs) > 0 {
		asks = append(asks, do("assign jobs", func(q *masterdb.Queries) error {
			_, err := q.JobAssign(ctx, b.shard.ID, jobs)
			return err
		}))
	}
	return asks
}

// both returns the ids that are in both lists with the same version.
func both(read, locked []candidate) map[int64]bool {
	was := make(map[int64]string, len(read))
	for _, one := range read {
		was[one.id] = one.version
	}
	same := make(map[int64]bool, len(read))
	for _, one := range locked {
		if version, found := was[one.id]; found && version == one.version {
			same[one.id] = true
		}
	}
	return same
}

// stillThere returns the unchanged ids that are in now, in that order. It ignores the versions in
// now: this heartbeat may have written these rows itself.
func stillThere(unchanged map[int64]bool, now []candidate) []int64 {
	ids := make([]int64, 0, len(unchanged))
	for _, one := range now {
		if unchanged[one.id] {
			ids = append(ids, one.id)
		}
	}
	return ids
}

func idsOf(list []candidate) []int64 {
	ids := make([]int64, len(list))
	for i, one := range list {
		ids[i] = one.id
	}
	return ids
}
