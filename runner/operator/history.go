package operator

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/beat"
)

// Beat is one beat of the history. Its JSON is a contract: the fields of `once`, and what the
// history has beside them.
type Beat struct {
	ID        int64     `json:"id"`
	StartedAt time.Time `json:"started_at"` // in UTC, by the clock of the client
	TookMS    float64   `json:"took_ms"`    // all phases together
	beat.Report
	Epoch    int64  `json:"epoch"` // of the lock; a new one shows a new start
	Protocol string `json:"protocol"`
	// Probe is what kind of packet it was: all, or one of a search.
	Probe string `json:"probe"`
	// BatchJobs and BatchBytes are how much the next upload may hold; 0: the whole limit.
	BatchJobs  int64 `json:"batch_jobs"`
	BatchBytes int64 `json:"batch_bytes"`
	// LargeWaiting: a job larger than the limit was left waiting; LargeJobID: one went alone.
	LargeWaiting bool   `json:"large_waiting"`
	LargeJobID   *int64 `json:"large_job_id"`
}

// EndedAt is when the beat ended.
func (b *Beat) EndedAt() time.Time {
	return b.StartedAt.Add(time.Duration(b.TookMS * float64(time.Millisecond)))
}

// Which says which beats are asked for: the newest ones.
type Which struct {
	Most   int64
	Since  time.Time // zero: however old
	Failed bool      // only those that failed
}

// History returns beats, the newest first.
func History(ctx context.Context, pool *pgxpool.Pool, which Which) ([]Beat, error) {
	var rows []sharddb.HistoryReadRow
	err := Look(ctx, pool, func(q *sharddb.Queries) (err error) {
		rows, err = q.HistoryRead(ctx, sharddb.HistoryReadParams{Since: which.Since, OnlyFailed: which.Failed, Most: which.Most})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	beats := make([]Beat, len(rows))
	for i := range rows {
		beats[i] = beatOf(&rows[i])
	}
	return beats, nil
}

func beatOf(r *sharddb.HistoryReadRow) Beat {
	return Beat{
		ID: r.ID, StartedAt: r.StartedAt.UTC(), TookMS: math.Round((r.PackedMs+r.RpcMs+r.AckMs+r.ApplyMs)*1000) / 1000,
		Report: beat.Report{
			Outcome: r.Outcome, Failure: r.Failure, Error: r.Error,
			PackedMS: r.PackedMs, RPCMS: r.RpcMs, AckMS: r.AckMs, ApplyMS: r.ApplyMs,
			KnownJobs: int(r.KnownJobs), KnownHosts: int(r.KnownHosts),
			UploadedJobs: int(r.UploadedJobs), UploadedEntries: int(r.UploadedEntries),
			ReceivedHosts: int(r.ReceivedHosts), ReceivedJobs: int(r.ReceivedJobs),
			ReceivedKeyvals: int(r.ReceivedKeyvals), Quarantined: int(r.Quarantined),
		},
		Epoch: r.Epoch, Protocol: r.Protocol, Probe: r.Probe,
		BatchJobs: r.BatchJobs, BatchBytes: r.BatchBytes, LargeWaiting: r.LargeWaiting, LargeJobID: r.LargeJobID,
	}
}
