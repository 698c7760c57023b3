package master

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/runner/afe"
)

// answer is a result as it is sent, with the number of objects in it.
type answer struct {
	shard                  string // the name of the shard that it is for
	result                 []byte
	hosts, jobs, incorrect int
}

// answer builds the answer from the JSON of hosts and jobs, which the database writes.
func (b *beat) answer(ctx context.Context, hostIDs, jobIDs []int64) (*answer, error) {
	result := map[string]any{"hosts": []int64{}, "jobs": []int64{}, "suite_keyvals": []int64{}}
	given := &answer{shard: b.shard.Hostname, hosts: len(hostIDs), jobs: len(jobIDs)}
	if len(hostIDs) > 0 {
		hosts, err := b.q.HostsJSON(ctx, b.protocol == afe.Protocol2019, hostIDs)
		if err != nil {
			return nil, fmt.Errorf("serialize hosts: %w", err)
		}
		result["hosts"] = json.RawMessage(hosts)
	}
	if len(jobIDs) > 0 {
		jobs, err := b.q.JobsJSON(ctx, jobIDs)
		if err != nil {
			return nil, fmt.Errorf("serialize jobs: %w", err)
		}
		keyvals, err := b.q.SuiteKeyvalsJSON(ctx, jobIDs)
		if err != nil {
			return nil, fmt.Errorf("serialize suite keyvals: %w", err)
		}
		result["jobs"], result["suite_keyvals"] = json.RawMessage(jobs), json.RawMessage(keyvals)
	}
	if b.protocol == afe.Protocol2019 {
		incorrect, err := b.incorrectHosts(ctx)
		if err != nil {
			return nil, err
		}
		result["incorrect_host_ids"], given.incorrect = incorrect, len(incorrect)
	}
	var err error
	given.result, err = json.Marshal(result)
	return given, err
}

// incorrectHosts returns the known hosts that are not the shard's. The list is never nil, which
// would be null in JSON.
func (b *beat) incorrectHosts(ctx context.Context) ([]int64, error) {
	if len(b.args.knownHostIDs) == 0 {
		return []int64{}, nil
	}
	incorrect, err := b.q.HostsIncorrect(ctx, b.args.knownHostIDs, b.shard.ID)
	if err != nil {
		return nil, fmt.Errorf("find incorrect hosts: %w", err)
	}
	return append([]int64{}, incorrect...), nil
}
