package master

import (
	"context"
	"strconv"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// answer is a result as it is sent, with the number of objects in it.
type answer struct {
	shard                  string // the name of the shard that it is for
	result                 []byte
	hosts, jobs, incorrect int
}

// answer gives the hosts and jobs to the shard, commits, and returns the answer. PostgreSQL reads
// the next rows while those before them are taken, and writes and commits while JSON is made of
// all. None of the rows shows to whom a host or job belongs.
func (b *beat) answer(ctx context.Context, tx *pg.Tx, hostIDs, jobIDs []int64) (*answer, error) {
	incorrect := b.known.Incorrect
	a := &answer{shard: b.shard.Hostname, hosts: len(hostIDs), jobs: len(jobIDs), incorrect: len(incorrect)}
	var hosts givenHosts
	var jobs givenJobs
	if err := together(ctx, tx, append(hosts.read(ctx, hostIDs), jobs.read(ctx, jobIDs)...)); err != nil {
		return nil, err
	}
	asks := append(hosts.readGroups(ctx), jobs.readSuites(ctx)...)
	var labels []masterdb.LabelsGivenRow
	if ids := once(append(hosts.labelIDs(), jobs.labelIDs()...)); len(ids) > 0 {
		asks = append(asks, ask(&labels, "read labels", func(q *masterdb.Queries) ([]masterdb.LabelsGivenRow, error) {
			return q.LabelsGiven(ctx, ids)
		}))
	}
	given := b.assign(ctx, hostIDs, jobIDs)
	if len(given) == 0 {
		if err := tx.Finish(ctx, asks...); err != nil {
			return nil, err
		}
		a.result = b.result(hosts, jobs, labels, incorrect)
		return a, nil
	}
	if err := together(ctx, tx, asks); err != nil {
		return nil, err
	}
	written := make(chan []byte)
	go func() { written <- b.result(hosts, jobs, labels, incorrect) }()
	err := tx.Finish(ctx, given...)
	a.result = <-written
	return a, err
}

// empty returns the answer that gives the shard nothing.
func (b *beat) empty() *answer {
	incorrect := b.known.Incorrect
	return &answer{
		shard: b.shard.Hostname, incorrect: len(incorrect), result: b.result(givenHosts{}, givenJobs{}, nil, incorrect),
	}
}

// result writes the answer.
func (b *beat) result(hosts givenHosts, jobs givenJobs, rows []masterdb.LabelsGivenRow, incorrect []int64) []byte {
	labels := labelTexts(rows)
	// Of large answers each object has about as many bytes.
	t := append(make(text, 0, 1024+1536*(len(hosts.hosts)+len(jobs.jobs))), '{')
	t.hosts(hosts, labels, b.shard, b.protocol == afe.Protocol2019)
	if b.protocol == afe.Protocol2019 {
		// These hosts are known, and are not the shard's.
		list(&t, "incorrect_host_ids", incorrect, func(id int64) { t = strconv.AppendInt(t, id, 10) })
	}
	t.jobs(jobs, labels, b.shard)
	t.keyvals("suite_keyvals", jobs.suite)
	return append(t, '}')
}
