package master

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
)

// candidate is a host or a job that may be sent, with the version of its row, which every change of
// the row replaces.
type candidate struct {
	id      int64
	version string
}

func (b *beat) hostsToSend(ctx context.Context) ([]candidate, error) {
	rows, err := b.q.HostsToSend(ctx, b.shard.ID, b.args.knownHostIDs)
	if err != nil {
		return nil, fmt.Errorf("find hosts to send: %w", err)
	}
	hosts := make([]candidate, len(rows))
	for i, row := range rows {
		hosts[i] = candidate{row.ID, row.Version}
	}
	return hosts, nil
}

// jobsToSend leaves the versions out where nobody wants them: each is a look-up.
func (b *beat) jobsToSend(ctx context.Context, versions bool) ([]candidate, error) {
	rows, err := b.q.JobsToSend(ctx, masterdb.JobsToSendParams{
		ShardID: b.shard.ID, KnownJobIds: b.args.knownJobIDs,
		MetaHosts: b.protocol == afe.Protocol2019, WithoutEntries: b.protocol == afe.Protocol2015,
		Versions: versions,
	})
	if err != nil {
		return nil, fmt.Errorf("find jobs to send: %w", err)
	}
	jobs := make([]candidate, len(rows))
	for i, row := range rows {
		jobs[i] = candidate{row.ID, row.Version}
	}
	return jobs, nil
}

// assign gives the locked hosts and jobs to the shard that did not change between the reading and
// the lock, and that may still be sent. The second check is needed because the labels of a host or
// shard can change without changing the row of a host or job.
func (b *beat) assign(ctx context.Context, lockedHosts, lockedJobs []candidate) (hosts, jobs []int64, err error) {
	if unchanged := both(b.hosts, lockedHosts); len(unchanged) > 0 {
		now, err := b.hostsToSend(ctx)
		if err != nil {
			return nil, nil, err
		}
		hosts = stillThere(unchanged, now)
	}
	if unchanged := both(b.jobs, lockedJobs); len(unchanged) > 0 {
		now, err := b.jobsToSend(ctx, false)
		if err != nil {
			return nil, nil, err
		}
		jobs = stillThere(unchanged, now)
	}
	if len(hosts)+len(jobs) == 0 {
		return hosts, jobs, nil
	}
	// What is left to do looks rows up by their ids, and any plan of PostgreSQL's is good for that.
	if err := b.q.SetPlanCacheMode(ctx, new("auto")); err != nil {
		return nil, nil, fmt.Errorf("let foreign keys be checked by one plan: %w", err)
	}
	if _, err := b.q.HostAssign(ctx, b.shard.ID, hosts); err != nil {
		return nil, nil, fmt.Errorf("assign hosts: %w", err)
	}
	if _, err := b.q.JobAssign(ctx, b.shard.ID, jobs); err != nil {
		return nil, nil, fmt.Errorf("assign jobs: %w", err)
	}
	return hosts, jobs, nil
}

// both returns the ids that are in both lists with the same version.
func both(read, locked []candidate) map[int64]bool {
	was := make(map[candidate]bool, len(read))
	for _, one := range read {
		was[one] = true
	}
	same := make(map[int64]bool, len(read))
	for _, one := range locked {
		if was[one] {
			same[one.id] = true
		}
	}
	return same
}

// stillThere returns the unchanged ids that are in now, in that order. It ignores the versions in
// now: this heartbeat may have written these rows itself.
func stillThere(unchanged map[int64]bool, now []candidate) []int64 {
	ids := []int64{}
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
