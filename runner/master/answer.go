package master

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"shardclient/runner/afe"
)

// answer is a result as it is sent, with the number of objects in it.
type answer struct {
	shard                  string // the name of the shard that it is for
	result                 []byte
	hosts, jobs, incorrect int
}

// answer writes the answer with these hosts and jobs.
func (b *beat) answer(ctx context.Context, hostIDs, jobIDs []int64) (*answer, error) {
	a := &answer{shard: b.shard.Hostname, hosts: len(hostIDs), jobs: len(jobIDs)}
	hosts, jobs := "[]", &given{}
	var err error
	if len(hostIDs) > 0 {
		if hosts, err = b.q.HostsJSON(ctx, b.protocol == afe.Protocol2019, hostIDs); err != nil {
			return nil, fmt.Errorf("serialize hosts: %w", err)
		}
	}
	if len(jobIDs) > 0 {
		if jobs, err = b.readJobs(ctx, jobIDs); err != nil {
			return nil, err
		}
	}
	t := text{'{'}
	t.name("hosts")
	short, err := json.Marshal(json.RawMessage(hosts)) // without the spaces that PostgreSQL writes
	if err != nil {
		return nil, fmt.Errorf("serialize hosts: %w", err)
	}
	t = append(t, short...)
	if b.protocol == afe.Protocol2019 {
		incorrect, err := b.incorrectHosts(ctx)
		if err != nil {
			return nil, err
		}
		a.incorrect = len(incorrect)
		list(&t, "incorrect_host_ids", incorrect, func(id int64) { t = strconv.AppendInt(t, id, 10) })
	}
	t.jobs(jobs, b.shard)
	t.keyvals("suite_keyvals", jobs.suite)
	a.result = append(t, '}')
	return a, nil
}

// incorrectHosts returns the known hosts that are not the shard's.
func (b *beat) incorrectHosts(ctx context.Context) ([]int64, error) {
	if len(b.args.knownHostIDs) == 0 {
		return nil, nil
	}
	incorrect, err := b.q.HostsIncorrect(ctx, b.args.knownHostIDs, b.shard.ID)
	if err != nil {
		return nil, fmt.Errorf("find incorrect hosts: %w", err)
	}
	return incorrect, nil
}
