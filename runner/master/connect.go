package master

import (
	"context"
	"fmt"

	"shardclient/runner/pg"

	"github.com/jackc/pgx/v5/pgxpool"
)

// connectionSettings are the settings with which the queries were measured. Which plan is good for
// the look for jobs depends on the lists of known ids. Without the first setting PostgreSQL soon
// uses one plan for all lists, and assumes that each has ten ids. Compiling a query or starting
// processes for it takes longer than running it, and so does remembering what was looked up where
// nothing is looked up twice. With the last one, giving a job to a shard is not taken for the
// acknowledgment of another client, which a shard's tables would remember job by job.
var connectionSettings = map[string]string{
	"plan_cache_mode":                 "force_custom_plan",
	"jit":                             "off",
	"max_parallel_workers_per_gather": "0",
	"enable_memoize":                  "off",
	"application_name":                "shard-lab master",
	"shard_client.acknowledges":       "on",
}

// Connect opens a pool for [New]. Settings in the URL override connectionSettings. Of several
// servers in the URL it uses the one that takes writes. stats may be nil. That a database is down
// shows only when it is used.
func Connect(ctx context.Context, databaseURL string, maxConnections int32, stats *Stats) (*pgxpool.Pool, error) {
	if maxConnections < 1 {
		return nil, fmt.Errorf("reference master: maxConnections is %d: want at least 1", maxConnections)
	}
	config, err := pg.ParseURL(databaseURL, nil)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	config.MaxConns = maxConnections
	pg.WantWrites(config.ConnConfig)
	for key, value := range connectionSettings {
		if config.ConnConfig.RuntimeParams[key] == "" {
			config.ConnConfig.RuntimeParams[key] = value
		}
	}
	if stats != nil {
		config.ConnConfig.Tracer = stats
	}
	config.AfterConnect = pg.QuickArrays
	return pgxpool.NewWithConfig(ctx, config)
}
