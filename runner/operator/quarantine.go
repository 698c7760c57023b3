// Package operator answers the questions that people ask about a shard's database, for the commands
// of shard-client other than run and once. A beat calls nothing of it.
package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// Quarantined is one object that was set aside, as `quarantine list` prints it. Its JSON is a
// contract.
type Quarantined struct {
	// Direction is "in" for an object that could not be stored, "out" for one that the master
	// refuses.
	Direction string `json:"direction"`
	// Kind is "host", "job" or "suite_keyval"; for a section that could not be read, that of its
	// objects.
	Kind string `json:"kind"`
	// ID is the object's id; nil: it has none.
	ID *int64 `json:"id"`
	// Code names the kind of reason.
	Code string `json:"code"`
	// Reason is one line for the operator.
	Reason string `json:"reason"`
	// Occurrences counts how often the object came, or was refused, like this.
	Occurrences int64 `json:"occurrences"`
	// FirstSeen and LastSeen are in UTC.
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// ListQuarantine returns every object that is set aside, in the order of direction, kind and id; an
// empty list, never nil, when there is none. It fails when the database does.
func ListQuarantine(ctx context.Context, db sharddb.DBTX) ([]Quarantined, error) {
	rows, err := sharddb.New(db).QuarantineList(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	list := make([]Quarantined, len(rows))
	for i, r := range rows {
		list[i] = Quarantined(r)
		list[i].FirstSeen, list[i].LastSeen = r.FirstSeen.UTC(), r.LastSeen.UTC()
	}
	return list, nil
}

// NewestQuarantined returns the objects that were seen last, at most so many; those that only wait
// for a host come behind all others. It fails when the database does.
func NewestQuarantined(ctx context.Context, pool *pgxpool.Pool, atMost int64) ([]Quarantined, error) {
	var list []Quarantined
	err := Look(ctx, pool, func(q *sharddb.Queries) error {
		rows, err := q.QuarantineNewest(ctx, atMost)
		for _, r := range rows {
			list = append(list, Quarantined{
				Direction: r.Direction, Kind: r.Kind, ID: r.ID, Code: r.Code, Reason: r.Reason, Occurrences: r.Occurrences,
				FirstSeen: r.FirstSeen.UTC(), LastSeen: r.LastSeen.UTC(),
			})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	return list, nil
}

// patience is for one question. In a database with a million finished jobs none takes a tenth of
// it.
const patience = 5 * time.Second

// Look runs fn in a transaction in which PostgreSQL itself refuses to write, and ends a statement
// that takes longer than five seconds: a question must not make a busy server busier.
func Look(ctx context.Context, pool *pgxpool.Pool, fn func(*sharddb.Queries) error) error {
	return pg.Read(ctx, pool, func(tx *pg.Tx) error {
		err := tx.Together(ctx, func(db pg.DB) error {
			return sharddb.New(db).CheckLimit(ctx, fmt.Sprint(patience.Milliseconds()))
		})
		if err != nil {
			return err
		}
		return fn(sharddb.New(tx))
	})
}
