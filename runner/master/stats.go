package master

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// StatsPath is the path at which a master with [Stats] shows its [Counts].
const StatsPath = "/stats"

// Stats counts what a master does and what that costs its database. Give the same one to [Connect]
// and [New]. Any number of goroutines may use it. It is a [pgx.QueryTracer]
// and a [pgx.BatchTracer].
type Stats struct {
	heartbeats, failed         atomic.Int64
	statements, errors         atomic.Int64
	rowsReturned, rowsAffected atomic.Int64
	database                   atomic.Int64 // nanoseconds

	twoAddresses, forgottenIDs, otherEnds atomic.Int64
}

// Counts are the counts since the start of the process, as GET /stats shows them.
type Counts struct {
	Heartbeats int64 `json:"heartbeats"` // calls that have ended
	Failed     int64 `json:"failed"`     // calls that were answered with an error

	// All statements count, BEGIN and COMMIT included.
	Statements       int64   `json:"statements"`
	FailedStatements int64   `json:"failed_statements"`
	RowsReturned     int64   `json:"rows_returned"`
	RowsAffected     int64   `json:"rows_affected"`
	DatabaseMS       float64 `json:"database_ms"` // from sending statements to their last row, waits for locks included

	// Heartbeats that found every open connection in use. They waited for one of these, or for a
	// new one to be opened.
	ConnectionsWaited   int64   `json:"connections_waited"`
	ConnectionsWaitedMS float64 `json:"connections_waited_ms"`

	// Heartbeats that showed a sign of two databases which serve as one shard.
	TwoAddresses int64 `json:"two_addresses"` // from another address than the heartbeat before
	ForgottenIDs int64 `json:"forgotten_ids"` // with known ids that contradict those before
	OtherEnds    int64 `json:"other_ends"`    // with entries that had ended otherwise

	CPUMS float64 `json:"cpu_ms"` // of this process, user and system; not the database's
}

type startKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (s *Stats) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, startKey{}, time.Now())
}

// TraceQueryEnd implements pgx.QueryTracer.
func (s *Stats) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	s.trip(ctx)
	s.statement(data.CommandTag, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (s *Stats) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return context.WithValue(ctx, startKey{}, time.Now())
}

// TraceBatchQuery implements pgx.BatchTracer.
func (s *Stats) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.statement(data.CommandTag, data.Err)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (s *Stats) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { s.trip(ctx) }

// trip counts the time of a round trip.
func (s *Stats) trip(ctx context.Context) {
	if start, ok := ctx.Value(startKey{}).(time.Time); ok {
		s.database.Add(int64(time.Since(start)))
	}
}

func (s *Stats) statement(tag pgconn.CommandTag, err error) {
	s.statements.Add(1)
	if err != nil {
		s.errors.Add(1)
	}
	if tag.Select() {
		s.rowsReturned.Add(tag.RowsAffected())
	} else {
		s.rowsAffected.Add(tag.RowsAffected())
	}
}

// heartbeat counts a heartbeat that has ended.
func (s *Stats) heartbeat(err error) {
	s.heartbeats.Add(1)
	if err != nil {
		s.failed.Add(1)
	}
}

// sign counts a heartbeat that showed a sign.
func (s *Stats) sign(shown sign) {
	switch shown {
	case twoAddresses:
		s.twoAddresses.Add(1)
	case forgottenIDs:
		s.forgottenIDs.Add(1)
	case otherEnds:
		s.otherEnds.Add(1)
	}
}

// counts returns the counts. They need not belong to the same moment: heartbeats may end meanwhile.
func (s *Stats) counts(pool *pgxpool.Pool) (Counts, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return Counts{}, fmt.Errorf("read the process's CPU time: %w", err)
	}
	connections := pool.Stat()
	return Counts{
		Heartbeats:          s.heartbeats.Load(),
		Failed:              s.failed.Load(),
		Statements:          s.statements.Load(),
		FailedStatements:    s.errors.Load(),
		RowsReturned:        s.rowsReturned.Load(),
		RowsAffected:        s.rowsAffected.Load(),
		DatabaseMS:          milliseconds(time.Duration(s.database.Load())),
		ConnectionsWaited:   connections.EmptyAcquireCount(),
		ConnectionsWaitedMS: milliseconds(connections.EmptyAcquireWaitTime()),
		TwoAddresses:        s.twoAddresses.Load(),
		ForgottenIDs:        s.forgottenIDs.Load(),
		OtherEnds:           s.otherEnds.Load(),
		CPUMS:               milliseconds(time.Duration(usage.Utime.Nano() + usage.Stime.Nano())),
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (m *master) serveStats(w http.ResponseWriter, _ *http.Request) {
	counts, err := m.o.Stats.counts(m.pool)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(counts) // fails only when the caller is gone
}
