package master

import (
	"context"
	"errors"

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
// may still be sent.
func (b *beat) choose(ctx context.Context, tx *pg.Tx, l *locked) (hosts, jobs []candidate, err error) {
	lockedHosts := candidates(l.hosts, func(r masterdb.HostLockRow) candidate { return candidate{r.ID, r.Version} })
	lockedJobs := candidates(l.jobs, func(r masterdb.JobLockRow) candidate { return candidate{r.ID, r.Version} })
	return b.stillToSend(ctx, tx, l, both(b.hosts, lockedHosts), both(b.jobs, lockedJobs))
}

// stillToSend returns those of the unchanged hosts and jobs that may still be sent. A second look
// is needed because the labels of a host or shard, and entries, can change without changing the row
// of a host or job. Where both snapshots have the same name, nobody has committed anything in
// between, and the first look holds.
func (b *beat) stillToSend(
	ctx context.Context, tx *pg.Tx, l *locked, unchangedHosts, unchangedJobs map[int64]bool,
) (hosts, jobs []candidate, err error) {
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
		asks = append(append([]pg.Ask{b.planCacheMode(ctx, nil)}, asks...), b.planCacheMode(ctx, new("auto")))
		if err := tx.Together(ctx, asks...); err != nil {
			return nil, nil, err
		}
	}
	return stillThere(unchangedHosts, hostsNow), stillThere(unchangedJobs, jobsNow), nil
}

// errNotUnchanged means that hosts or jobs must be locked before they are assigned.
var errNotUnchanged = errors.New("not every host and job is as it was read")

// canAssignAtOnce reports whether hosts and jobs may be assigned without a lock before it. That is
// so in the first attempt, if no host is to be locked for its status.
func (b *beat) canAssignAtOnce() bool {
	again := b.assigning
	b.assigning = true
	return !again && !b.known.Differ && len(b.hosts)+len(b.jobs) > 0
}

// commitUnchanged commits if all hosts and jobs that were found are assigned, which none is that
// was written since, and if all are still to be sent. Otherwise it returns [errNotUnchanged].
func (b *beat) commitUnchanged(ctx context.Context, tx *pg.Tx, l *locked) error {
	if l.assignedHosts != int64(len(b.hosts)) || l.assignedJobs != int64(len(b.jobs)) {
		return errNotUnchanged
	}
	hosts, jobs, err := b.stillToSend(ctx, tx, l, both(b.hosts, b.hosts), both(b.jobs, b.jobs))
	if err == nil && len(hosts)+len(jobs) != len(b.hosts)+len(b.jobs) {
		err = errNotUnchanged
	}
	if err != nil {
		return err
	}
	return tx.Finish(ctx)
}

// nameSnapshot asks for the name of the snapshot in which all is locked.
func (l *locked) nameSnapshot(ctx context.Context) pg.Ask {
	return ask(&l.snapshot, "name the snapshot", func(q *masterdb.Queries) (string, error) { return q.SnapshotSeen(ctx) })
}

// assign gives the hosts and jobs to the shard, or only those that have the version that was read.
func (b *beat) assign(ctx context.Context, l *locked, hosts, jobs []candidate, unchanged bool) (asks []pg.Ask) {
	versions := func(of []candidate) []string {
		list := []string{}
		if unchanged {
			for _, one := range of {
				list = append(list, one.version)
			}
		}
		return once(list)
	}
	if len(jobs) > 0 {
		asks = append(asks, ask(&l.assignedJobs, "assign jobs", func(q *masterdb.Queries) (int64, error) {
			return q.JobAssign(ctx, masterdb.JobAssignParams{ShardID: b.shard.ID, Ids: idsOf(jobs), Versions: versions(jobs)})
		}))
	}
	if len(hosts) > 0 {
		asks = append(asks, ask(&l.assignedHosts, "assign hosts", func(q *masterdb.Queries) (int64, error) {
			return q.HostAssign(ctx, masterdb.HostAssignParams{ShardID: b.shard.ID, Ids: idsOf(hosts), Versions: versions(hosts)})
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
func stillThere(unchanged map[int64]bool, now []candidate) []candidate {
	list := make([]candidate, 0, len(unchanged))
	for _, one := range now {
		if unchanged[one.id] {
			list = append(list, one)
		}
	}
	return list
}

func idsOf(list []candidate) []int64 {
	ids := make([]int64, len(list))
	for i, one := range list {
		ids[i] = one.id
	}
	return ids
}
