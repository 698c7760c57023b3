package master

import (
	"context"
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
	hosts, err := b.readHosts(ctx, hostIDs)
	if err != nil {
		return nil, err
	}
	jobs, err := b.readJobs(ctx, jobIDs)
	if err != nil {
		return nil, err
	}
	ids := jobs.labels()
	for _, l := range hosts.labels {
		ids = append(ids, l.LabelID)
	}
	labels, err := b.readLabels(ctx, ids)
	if err != nil {
		return nil, err
	}
	// Of large answers each object has about as many bytes.
	t := append(make(text, 0, 1024+1536*(len(hostIDs)+len(jobIDs))), '{')
	t.hosts(hosts, labels, b.shard, b.protocol == afe.Protocol2019)
	if b.protocol == afe.Protocol2019 {
		incorrect, err := b.incorrectHosts(ctx)
		if err != nil {
			return nil, err
		}
		a.incorrect = len(incorrect)
		list(&t, "incorrect_host_ids", incorrect, func(id int64) { t = strconv.AppendInt(t, id, 10) })
	}
	t.jobs(jobs, labels, b.shard)
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
