package shard

import (
	"context"
	"fmt"
	"math"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
)

// Recall returns what the history knows of the beats before this process, and what the next one
// would find. It writes nothing.
func (c *Client) Recall(ctx context.Context) (past beat.Past, err error) {
	err = guard.Run(func() error {
		return pg.Read(ctx, c.pool, func(tx *pg.Tx) error {
			past, err = c.recall(ctx, tx)
			return err
		})
	})
	return past, err
}

// What warms a connection is of use for a moment, and costs whoever waits for it: it waits for no
// lock, and not long for a server that is silent. Only tests change the latter.
const warmLockTimeout = 20 * time.Millisecond

var warmPatience = time.Second

// Warm lets a connection of the pool read what the first beat will, beside what the caller does: to
// parse and plan it is most of what that takes in a new session. [Client.Own] waits until it has.
// It outlives ctx: a statement that is cut short closes its connection, which the server still
// counts when the beat in hand opens another.
func (c *Client) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), warmPatience)
	c.beside.Go(func() {
		defer cancel()
		_ = guard.Run(func() error { // whoever needs what it reads meets its error, too
			return pg.Read(ctx, c.pool, func(tx *pg.Tx) error {
				err := tx.Together(ctx, func(db pg.DB) error {
					return sharddb.New(db).WriteBoundsSet(ctx, warmLockTimeout.Milliseconds())
				})
				if err == nil {
					_, err = c.recall(ctx, tx)
				}
				return err
			})
		})
	})
}

func (c *Client) recall(ctx context.Context, tx *pg.Tx) (beat.Past, error) {
	var row sharddb.HistoryRecallRow
	var quarantined *beat.Quarantine
	_, m, err := c.packFrom(ctx, tx, noJob,
		func(db pg.DB) (err error) {
			row, err = sharddb.New(db).HistoryRecall(ctx)
			return pg.Failed(err, "read the history")
		},
		func(db pg.DB) (err error) {
			quarantined, err = countQuarantine(ctx, sharddb.New(db))
			return err
		})
	if err != nil {
		return beat.Past{}, fmt.Errorf("look what is here: %w", err)
	}
	return beat.Past{
		LastSuccess: moment(row.LastSuccess),
		LastFailure: moment(row.LastFailure),
		Failure:     row.LastFailureClass,
		Failures:    int(row.Failures),
		KnownJobs:   int(row.KnownJobs),
		KnownHosts:  int(row.KnownHosts),
		Pending:     len(m.finished.Ids),
		Batch:       m.batch,
		Quarantine:  *quarantined,
	}, nil
}

// moment returns the time of so many seconds after the beginning of 1970; 0: none.
func moment(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000)))
}
