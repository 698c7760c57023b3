package shard

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/guard"
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
		row.LargeWaiting = t.memo.large.waiting
		row.LargeJobID = t.memo.large.jobID
		row.BatchJobs = int64(t.report.Batch.Jobs)
		row.BatchBytes = t.report.Batch.Bytes
	}
	options := &t.c.options
	return t.c.lock.WriteAtOnce(ctx,
		func(q *sharddb.Queries) error {
			if err := q.HeartbeatRecord(ctx, row); err != nil {
				return fmt.Errorf("record heartbeat: %w", err)
			}
			return nil
		},
		func(q *sharddb.Queries) error {
			if _, err := q.HistoryPrune(ctx, options.HistoryKeep, options.QuarantineKeep); err != nil {
				return fmt.Errorf("prune history and quarantine: %w", err)
			}
			return nil
		},
		func(q *sharddb.Queries) (err error) {
			t.report.Quarantine, err = countQuarantine(ctx, q)
			return err
		})
}
