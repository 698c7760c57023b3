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

func (c *Client) recall(ctx context.Context, tx *pg.Tx) (beat.Past, error) {
	q := sharddb.New(tx)
	row, err := q.HistoryRecall(ctx)
	if err != nil {
		return beat.Past{}, fmt.Errorf("read the history: %w", err)
	}
	quarantined, err := countQuarantine(ctx, q)
	if err != nil {
		return beat.Past{}, err
	}
	_, m, err := c.packFrom(ctx, tx, noJob)
	if err != nil {
		return beat.Past{}, fmt.Errorf("count what is to be uploaded: %w", err)
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
