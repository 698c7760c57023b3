package operator

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/beat"
)

// Beat is a beat as the history has it: fields of the report that are not in its JSON are missing.
type Beat struct {
	Began time.Time
	beat.Report
}

// LastBeats returns the last beats that began before a moment, at most so many, the oldest first.
// It fails when the database does.
func LastBeats(ctx context.Context, db sharddb.DBTX, before time.Time, atMost int) ([]Beat, error) {
	rows, err := sharddb.New(db).HistoryBefore(ctx, before, int64(atMost))
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	beats := make([]Beat, len(rows))
	for i, r := range rows {
		beats[len(rows)-1-i] = Beat{r.StartedAt, beat.Report{
			Outcome: r.Outcome, Failure: r.Failure, Error: r.Error, Protocol: r.Protocol,
			PackedMS: r.PackedMs, RPCMS: r.RpcMs, AckMS: r.AckMs, ApplyMS: r.ApplyMs,
			KnownJobs: int(r.KnownJobs), KnownHosts: int(r.KnownHosts),
			UploadedJobs: int(r.UploadedJobs), UploadedEntries: int(r.UploadedEntries),
			ReceivedHosts: int(r.ReceivedHosts), ReceivedJobs: int(r.ReceivedJobs), ReceivedKeyvals: int(r.ReceivedKeyvals),
			Quarantined: int(r.Quarantined),
		}}
	}
	return beats, nil
}
