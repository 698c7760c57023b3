package master

import (
	"context"
	"fmt"

	"shardclient/runner/pg"

	"github.com/jackc/pgx/v5/pgxpool"
)

// connectionSettings are those that the queries are measured with. The lists of known ids decide which plan is good, so
// a plan made for any list is not: without the first line PostgreSQL soon takes one, believing that every list has ten
// ids. Compiling a query, and starting processes for it, takes longer than running it.
var connectionSettings = map[string]string{
	"plan_cache_mode":                 "force_custom_plan",
	"jit":                             "off",
	"max_parallel_workers_per_gather": "0",
	"application_name":                "shard-lab master",
}

// Connect opens a pool for New. What the URL says goes before these settings. Stats may be nil. A database that is down
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
	for key, value := range connectionSettings {
		if config.ConnConfig.RuntimeParams[key] == "" {
			config.ConnConfig.RuntimeParams[key] = value
		}
	}
	if stats != nil {
		config.ConnConfig.Tracer = stats
	}
	return pgxpool.NewWithConfig(ctx, config)
}
