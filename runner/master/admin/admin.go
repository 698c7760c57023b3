// Package admin edits the master's tables: what people and suites do at an Autotest AFE, over the same database that
// the reference master serves.
//
// It owns every write there that is no heartbeat: users, labels, shards, hosts, jobs, and their ends. It says nothing
// to a shard; a shard hears of an edit by its next heartbeats (docs/lab.md). It must not be linked into shard-client,
// nor be used on the database of a shard.
//
// Each method is one transaction, and may be called by any number of goroutines and programs beside running heartbeats.
// The number of statements does not depend on the number of objects. Rows are locked in one order: users, labels, and
// then as heartbeats do: jobs, entries, hosts, each by id.
package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/masterdb"
)

// maxAttempts of a transaction that lost a race. Each further one needs another edit or heartbeat at the same rows
// within the milliseconds that it takes.
const maxAttempts = 5

// SQLSTATEs of a lost race: another transaction made the same object, or one that refers to what this one removes.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
)

// Admin edits the database of one master.
type Admin struct{ pool *pgxpool.Pool }

// New returns an Admin of a migrated database. The pool stays the caller's.
func New(pool *pgxpool.Pool) *Admin { return &Admin{pool} }

// ErrShardDatabase is returned by Check for a database in which a shard-client has worked.
var ErrShardDatabase = errors.New("this is a shard's database, not the master's: what is added here would clash with what the master sends")

// Check returns ErrShardDatabase when the database is that of a shard, whose tables look the same.
func (a *Admin) Check(ctx context.Context) error {
	shard, err := masterdb.New(a.pool).AdminIsShard(ctx)
	if err != nil {
		return fmt.Errorf("ask whose database this is: %w", err)
	}
	if shard {
		return ErrShardDatabase
	}
	return nil
}

// Outcome is what became of one object of a call.
type Outcome string

// Outcomes. Calling a method again leaves everything as it is and says Unchanged.
const (
	Added     Outcome = "added"
	Restored  Outcome = "restored" // it was removed once, and has its old id
	Changed   Outcome = "changed"
	Removed   Outcome = "removed"
	Unchanged Outcome = "unchanged" // it was so already
)

// Change is what a call did to one object, a shard, label, host or user.
type Change struct {
	ID      int64   `json:"id"`
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
}

// write runs one transaction, again when it lost a race: the next attempt sees what the winner did.
func write[T any](ctx context.Context, a *Admin, what string, do func(*masterdb.Queries) (T, error)) (result T, err error) {
	for attempt := 1; ; attempt++ {
		err = pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			result, err = do(masterdb.New(tx))
			return err
		})
		if err == nil {
			return result, nil
		}
		if attempt == maxAttempts || !lostRace(err) {
			var nothing T
			return nothing, fmt.Errorf("%s: %w", what, err)
		}
	}
}

func lostRace(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	return strings.HasPrefix(pgErr.Code, "40") || pgErr.Code == uniqueViolation || pgErr.Code == foreignKeyViolation
}

// checkNames returns the names sorted, each once. One of them is at least there, and none is empty.
func checkNames(kind string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, &InvalidError{Kind: kind, Cause: "none is named"}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	if strings.TrimSpace(sorted[0]) == "" {
		return nil, &InvalidError{Kind: kind, Cause: "its name is empty"}
	}
	return sorted, nil
}

// now is the time as the master keeps it: UTC, without a zone, in milliseconds.
func now() pgtype.Timestamp {
	return pgtype.Timestamp{Time: time.Now().UTC().Truncate(time.Millisecond), Valid: true}
}

// timeOf is nil for NULL.
func timeOf(stamp pgtype.Timestamp) *time.Time {
	if !stamp.Valid {
		return nil
	}
	return &stamp.Time
}

func sortedKeys[T any](set map[string]T) []string { return slices.Sorted(maps.Keys(set)) }
