package master

import (
	"context"
	"errors"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/pg"
)

// errTakesNoWrites means that what a server says may be out of date.
var errTakesNoWrites = errors.New("the database server takes no writes")

// findShard finds the calling shard by its name or its id, and asks what may be asked with it.
func (b *beat) findShard(ctx context.Context, tx *pg.Tx, asks ...pg.Ask) (masterdb.AfeShard, error) {
	field, shown := "hostname", repr(b.args.shard)
	var shards []masterdb.AfeShard
	var err error
	if hostname, byName := b.args.shard.(string); byName {
		err = tx.Together(ctx, append(asks, ask(&shards, "find shard", func(q *masterdb.Queries) ([]masterdb.AfeShard, error) {
			return q.ShardsNamed(ctx, hostname, b.nocase)
		}))...)
	} else {
		field = "pk"
		var id int64
		if id, err = asInteger(b.args.shard); err == nil {
			err = tx.Together(ctx, append(asks, ask(&shards, "find shard", func(q *masterdb.Queries) ([]masterdb.AfeShard, error) {
				return q.ShardWithID(ctx, id)
			}))...)
		}
	}
	switch {
	case err != nil:
		return masterdb.AfeShard{}, err
	case len(shards) == 0:
		// A demoted server does not know what was added since.
		if writes, err := masterdb.New(tx).ServerTakesWrites(ctx); err != nil {
			return masterdb.AfeShard{}, fmt.Errorf("ask whether the server takes writes: %w", err)
		} else if !writes {
			return masterdb.AfeShard{}, fmt.Errorf("find shard %s: %w", shown, errTakesNoWrites)
		}
		return masterdb.AfeShard{}, doesNotExist("Shard", field, shown)
	case len(shards) > 1:
		return masterdb.AfeShard{}, &fault{name: "MultipleObjectsReturned", message: fmt.Sprintf(
			"get() returned more than one Shard -- it returned %d! Lookup parameters were {'%s': %s}",
			len(shards), field, shown)}
	}
	return shards[0], nil
}

// doesNotExist returns Django's error for a lookup that finds nothing.
func doesNotExist(kind, field, value string) error {
	return &fault{name: "DoesNotExist", message: fmt.Sprintf(
		"%s matching query does not exist. Lookup parameters were {'%s': %s}", kind, field, value)}
}
