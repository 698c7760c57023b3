package master

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/runner/afe"
)

// assignHosts takes those of the locked hosts that may still be sent and are whose they were.
func (b *beat) assignHosts(ctx context.Context, before []assigned) ([]int64, error) {
	if len(before) == 0 {
		return []int64{}, nil
	}
	now, err := b.hostsToSend(ctx)
	if err != nil {
		return nil, err
	}
	ids := idsOf(both(before, now))
	if _, err := b.q.HostAssign(ctx, b.shardID, ids); err != nil {
		return nil, fmt.Errorf("assign hosts: %w", err)
	}
	return ids, nil
}

// assignJobs is assignHosts for jobs.
func (b *beat) assignJobs(ctx context.Context, before []assigned) ([]int64, error) {
	if len(before) == 0 {
		return []int64{}, nil
	}
	now, err := b.jobsToSend(ctx)
	if err != nil {
		return nil, err
	}
	ids := idsOf(both(before, now))
	if _, err := b.q.JobAssign(ctx, b.shardID, ids); err != nil {
		return nil, fmt.Errorf("assign jobs: %w", err)
	}
	return ids, nil
}

// both keeps what is in both lists with the same shard.
func both(before, now []assigned) []assigned {
	was := make(map[assigned]bool, len(before))
	for _, one := range before {
		was[one] = true
	}
	var kept []assigned
	for _, one := range now {
		if was[one] {
			kept = append(kept, one)
		}
	}
	return kept
}

func idsOf(list []assigned) []int64 {
	ids := make([]int64, len(list))
	for i, one := range list {
		ids[i] = one.id
	}
	return ids
}

// answer carries the JSON that the database builds.
func (b *beat) answer(ctx context.Context, hostIDs, jobIDs []int64) ([]byte, error) {
	hosts, err := b.q.HostsJSON(ctx, b.protocol == afe.Protocol2019, hostIDs)
	if err != nil {
		return nil, fmt.Errorf("serialize hosts: %w", err)
	}
	jobs, err := b.q.JobsJSON(ctx, jobIDs)
	if err != nil {
		return nil, fmt.Errorf("serialize jobs: %w", err)
	}
	keyvals, err := b.q.SuiteKeyvalsJSON(ctx, jobIDs)
	if err != nil {
		return nil, fmt.Errorf("serialize suite keyvals: %w", err)
	}
	result := map[string]any{
		"hosts": json.RawMessage(hosts), "jobs": json.RawMessage(jobs), "suite_keyvals": json.RawMessage(keyvals),
	}
	if b.protocol == afe.Protocol2019 {
		incorrect, err := b.q.HostsIncorrect(ctx, b.args.knownHostIDs, b.shardID)
		if err != nil {
			return nil, fmt.Errorf("find incorrect hosts: %w", err)
		}
		result["incorrect_host_ids"] = append([]int64{}, incorrect...)
	}
	return json.Marshal(result)
}
