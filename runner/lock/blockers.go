package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// explained is an error that says what is locked.
type explained struct {
	error
	key string // what stands for a row that another session is about to insert; "": it is something else
}

func (e *explained) Unwrap() error { return e.error }

// Explain adds to the error of a statement that has waited for a lock in vain what is locked, and
// what to do: PostgreSQL names neither. What nobody holds any more is not found. It adds nothing to
// an error that says so already, nor to any other.
func Explain(ctx context.Context, pool *pgxpool.Pool, err error) error {
	if _, done := errors.AsType[*explained](err); done || pg.Classify(err) != pg.Locked {
		return err
	}
	const remedy = "shard-client sessions list shows who is idle in a transaction"
	if blockers := blockers(ctx, pool); len(blockers) > 0 {
		return &explained{error: fmt.Errorf("%w: another session has locked %s; %s", err, strings.Join(blockers, ", "), remedy)}
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Where != "" {
		where, _, _ := strings.Cut(pgErr.Where, "\n") // while locking tuple (0,1) in relation "afe_hosts"
		return &explained{fmt.Errorf("%w, %s: another session has locked it; %s", err, where, remedy), where}
	}
	return &explained{error: fmt.Errorf("%w: another session has locked what this needs; %s", err, remedy)}
}

// KeyInTheWay says which key kept a statement waiting in vain: another session has inserted it, or
// is about to change its row, and has not committed. A statement without that key need not wait. It
// is empty where a table or a shard's row was locked, which every statement needs.
func KeyInTheWay(err error) string {
	if why, done := errors.AsType[*explained](err); done {
		return why.key
	}
	return ""
}

// blockers names the tables that other sessions have locked, or else the rows of shards.
func blockers(ctx context.Context, pool *pgxpool.Pool) (found []string) {
	tables, err := sharddb.New(pool).LockedTables(ctx)
	if err != nil {
		return nil
	}
	for _, t := range tables {
		session := fmt.Sprintf("database backend %d", t.BackendPid)
		if t.ApplicationName != "" {
			session += ", " + t.ApplicationName
		}
		found = append(found, fmt.Sprintf("table %s (%s)", t.LockedTable, session))
	}
	if len(found) > 0 {
		return found
	}
	_ = pg.Write(ctx, pool, func(tx *pg.Tx) error { // to find a locked row is to try to lock it
		shards, err := sharddb.New(tx).LockedShards(ctx)
		for _, id := range shards {
			found = append(found, fmt.Sprintf("row afe_shards %d", id))
		}
		return err
	})
	return found
}
