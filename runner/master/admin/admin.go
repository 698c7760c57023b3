// Package admin edits the master's tables. It does what people and suites do at an Autotest AFE, in
// the database that the reference master serves.
//
// It owns every write to that database except heartbeats: users, labels, shards, hosts and jobs,
// and their removal or abort. It does not talk to shards; a shard learns of an edit by its next
// heartbeats (docs/lab.md). It must not be linked into shard-client, nor be used on the database of
// a shard.
//
// # Transactions
//
// Each method is one transaction. Any number of goroutines and programs may call methods while
// heartbeats run. The number of statements does not depend on the number of objects. Rows are
// locked in a fixed order: users, labels, and then, like heartbeats, jobs, entries and hosts, each
// by id.
//
// # Errors
//
// [MissingError], [InvalidError], [LabelOwnerError], [LabelUsedError] and [TornError] say what is
// wrong with a call. After any error nothing was written.
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

// maxAttempts is how often a transaction is tried that lost a race. It loses again only if another
// edit or heartbeat meets the same rows within a few milliseconds.
const maxAttempts = 5

// SQLSTATEs of a lost race: another transaction made the same object, or an object that refers to
// one that this transaction removes.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
)

// Admin edits the database of one master.
type Admin struct{ pool *pgxpool.Pool }

// New returns an Admin of a migrated database. The caller keeps the pool, and closes it.
func New(pool *pgxpool.Pool) (*Admin, error) {
	if pool == nil {
		return nil, errors.New("admin: pool is nil: want the pool of the master's database")
	}
	return &Admin{pool}, nil
}

// ErrShardDatabase is returned by [Admin.Check] for a database in which a shard-client has worked.
var ErrShardDatabase = errors.New("this is a shard's database, not the master's: " +
	"what is added here would clash with what the master sends")

// Check returns [ErrShardDatabase] when the database is that of a shard, whose tables look the
// same.
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

// Outcome says what happened to one object of a call.
type Outcome string

// Outcomes. Calling a method again changes nothing, and the outcome is Unchanged.
const (
	Added     Outcome = "added"
	Restored  Outcome = "restored" // it had been removed, and has its old id again
	Changed   Outcome = "changed"
	Removed   Outcome = "removed"
	Unchanged Outcome = "unchanged" // it was so already
)

// Change says what a call did to one object: a shard, label, host or user.
type Change struct {
	ID      int64   `json:"id"`
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
}

// write runs one transaction, and tries again when it loses a race: the next attempt sees what the
// winner wrote.
func write[T any](
	ctx context.Context, a *Admin, what string, do func(*masterdb.Queries) (T, error),
) (result T, err error) {
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

// checkNames returns the names sorted, each once. It fails when there are none, or one is empty.
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

// now returns the time as the master stores it: UTC, without a zone, in milliseconds.
func now() pgtype.Timestamp {
	return pgtype.Timestamp{Time: time.Now().UTC().Truncate(time.Millisecond), Valid: true}
}

// timeOf returns a time, or nil for NULL.
func timeOf(stamp pgtype.Timestamp) *time.Time {
	if !stamp.Valid {
		return nil
	}
	return &stamp.Time
}

func sortedKeys[T any](set map[string]T) []string { return slices.Sorted(maps.Keys(set)) }
