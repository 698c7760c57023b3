package simulation

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/master/admin"
	"shardclient/schema"
)

// simulatedShard is one shard: a schema of the shards' database, and the board that it serves.
type simulatedShard struct {
	hostname, label string
	pool            *pgxpool.Pool // of one connection, with the shard's search_path
	url             string        // of its master
}

func hostname(number int) string { return fmt.Sprintf("shard%d", number+1) }
func label(number int) string    { return fmt.Sprintf("board:%d", number+1) }

// populate makes shards, hosts and jobs on the master.
func (at *site) populate(ctx context.Context) error {
	var labels []admin.NewLabel
	var hosts []admin.NewHost
	for i := range at.Shards {
		labels = append(labels, admin.NewLabel{Name: label(i)})
		for h := range at.HostsPerShard {
			hosts = append(hosts, admin.NewHost{Hostname: fmt.Sprintf("shard%d-host%d", i+1, h+1), Labels: []string{label(i)}})
		}
	}
	if _, err := at.people.AddLabels(ctx, labels...); err != nil {
		return err
	}
	for i := range at.Shards {
		if _, err := at.people.AddShard(ctx, hostname(i), label(i)); err != nil {
			return err
		}
	}
	if len(hosts) > 0 {
		if _, err := at.people.AddHosts(ctx, hosts...); err != nil {
			return err
		}
	}
	want := make([]int, at.Shards)
	for i := range want {
		want[i] = at.JobsPerShard
	}
	return at.createJobs(ctx, want)
}

// createJobs creates jobs; want says how many for each shard.
func (at *site) createJobs(ctx context.Context, want []int) error {
	var jobs []admin.NewJob
	for i, n := range want {
		for range n {
			jobs = append(jobs, admin.NewJob{
				Name:         "test",
				Owner:        "chromeos-test",
				ControlFile:  controlFile,
				Dependencies: []string{label(i)},
				MetaHosts:    []string{label(i)},
				Keyvals:      map[string]string{"suite": "bvt", "build": "R99-1.2.3"},
			})
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := at.people.CreateJobs(ctx, jobs...)
	return err
}

// controlFile has the average size of a control file in the recorded large answer.
var controlFile = string(make1k())

func make1k() []byte {
	text := make([]byte, 1024)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz # \n"[i%30]
	}
	return text
}

// openShards makes a schema and a pool for each shard. A connection that several shards share would
// plan every statement anew whenever it changes hands, which never happens to a real shard.
func (at *site) openShards(ctx context.Context) error {
	if err := at.shardServer.CreateDatabase(ctx, shardDatabase, "template1"); err != nil {
		return err
	}
	for i := range at.Shards {
		one, err := at.openShard(ctx, i)
		if err != nil {
			return fmt.Errorf("make schema of %s: %w", hostname(i), err)
		}
		at.shards = append(at.shards, one)
		if n := i + 1; n%100 == 0 {
			at.printf("%d of %d shards prepared\n", n, at.Shards)
		}
	}
	return nil
}

func (at *site) openShard(ctx context.Context, number int) (*simulatedShard, error) {
	name := hostname(number)
	if err := at.shardServer.CreateSchema(ctx, shardDatabase, name); err != nil {
		return nil, err
	}
	address := at.shardServer.URL(shardDatabase) + "&" + url.Values{"search_path": {name}}.Encode()
	if _, err := schema.Up(ctx, address); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 1
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &simulatedShard{
		hostname: name,
		label:    label(number),
		pool:     pool,
		url:      at.masterURLs[number%len(at.masterURLs)],
	}, nil
}
