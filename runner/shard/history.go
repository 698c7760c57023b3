package shard

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
)

// record adds the beat to the history, keeps history and quarantine within their limits (P9), and
// counts what is set aside for the report.
func (t *turn) record(ctx context.Context) error {
	body, err := guard.JSON(&t.report)
	if err != nil {
		return fmt.Errorf("record heartbeat: %w", err)
	}
	row := sharddb.HeartbeatRecordParams{
		StartedAt: t.startedAt, Epoch: t.c.lock.Epoch(), Protocol: t.report.Protocol, Beat: body,
	}
	if t.memo != nil { // if nothing was packed, the batch of the last packet stays in force
		row.Probe = t.memo.plan.Mode
		row.LargeWaiting = t.memo.largeWaiting
		row.LargeJobID = t.memo.largeID
		row.BatchJobs = int64(t.report.Batch.Jobs)
		row.BatchBytes = t.report.Batch.Bytes
	}
	options := &t.c.options
	return t.c.lock.WriteAtOnce(ctx,
		func(db pg.DB) error {
			return pg.Failed(sharddb.New(db).HeartbeatRecord(ctx, row), "record heartbeat")
		},
		func(db pg.DB) error {
			_, err := sharddb.New(db).HistoryPrune(ctx, options.HistoryKeep, options.QuarantineKeep)
			return pg.Failed(err, "prune history and quarantine")
		},
		func(db pg.DB) (err error) {
			t.report.Quarantine, err = countQuarantine(ctx, sharddb.New(db))
			return err
		})
}

// countQuarantine counts the objects that are set aside.
func countQuarantine(ctx context.Context, q *sharddb.Queries) (*beat.Quarantine, error) {
	size, err := q.QuarantineSize(ctx)
	if err != nil {
		return nil, fmt.Errorf("count quarantine: %w", err)
	}
	return &beat.Quarantine{
		In: size.Incoming, Out: size.Outgoing, WaitingForHost: size.WaitingForHost, Taken: size.Taken,
	}, nil
}
