package search

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/plain"
)

// A record that was set aside is tried again after a minute, and after each refusal the pause
// doubles, up to six hours: often enough for a master that was repaired, too seldom to matter if it
// was not.
const (
	retryFirst = time.Minute
	retryLast  = 6 * time.Hour
)

// quarantine sets aside the records that the search has found guilty.
func (s *Search) quarantine(ctx context.Context, q *sharddb.Queries, f *Outcome) error {
	if len(f.ids) == 0 {
		return nil
	}
	_, err := q.QuarantineRefused(ctx, sharddb.QuarantineRefusedParams{
		Kinds: f.kinds, Ids: f.ids, Reasons: f.reasons,
		FirstSeconds: retryFirst.Seconds(), LastSeconds: retryLast.Seconds(), MaxPayload: s.options.MaxPayload,
	})
	return err
}

// SetAside sets a finished job aside that PostgreSQL does not read or acknowledge although it is
// alone. Like a record that the master refuses, it is tried again.
func (s *Search) SetAside(ctx context.Context, jobID int64, code, reason string) error {
	reason = plain.Line(s.options.Redact(reason), s.options.MaxReason)
	err := s.options.Lock.Write(ctx, func(q *sharddb.Queries) error {
		_, err := q.QuarantineFinished(ctx, sharddb.QuarantineFinishedParams{
			ID: jobID, Code: code, Reason: reason, FirstSeconds: retryFirst.Seconds(), LastSeconds: retryLast.Seconds(),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("set finished job %d aside: %w", jobID, err)
	}
	s.options.Logger.Warn("a finished job is set aside that PostgreSQL does not let go; see `shard-client quarantine list`",
		"job", jobID, "code", code, "reason", reason)
	return nil
}

func (s *Search) logRefused(f *Outcome) {
	if len(f.ids) > 0 {
		s.options.Logger.Warn("records set aside that the master refuses; see `shard-client quarantine list`",
			"records", len(f.ids), "first_kind", f.kinds[0], "first_id", f.ids[0], "first_reason", f.reasons[0])
	}
}

// named returns the record of this packet that the master's message names; its ID is 0 when the
// message names none.
func (p Packet) named(ctx context.Context, q *sharddb.Queries, failure error) (sharddb.ProbeResolveRow, error) {
	var none sharddb.ProbeResolveRow
	var rpc *afe.RPCError
	if !errors.As(failure, &rpc) {
		return none, nil
	}
	subject := rpc.Subject()
	if subject == (afe.Subject{}) {
		return none, nil
	}
	found, err := q.ProbeResolve(ctx, sharddb.ProbeResolveParams{
		Kind: subject.Kind, ID: subject.ID, Hostname: subject.Hostname,
		JobIds: p.JobIDs, HostIds: p.HostIDs,
	})
	if err != nil || len(found) == 0 {
		return none, err
	}
	return found[0], nil
}

// words returns what the master itself said, without address, traceback and secrets.
func (s *Search) words(failure error) string {
	var rpc *afe.RPCError
	switch {
	case failure == nil:
		return ""
	case errors.As(failure, &rpc):
		failure = rpc
	}
	return plain.Line(s.options.Redact(failure.Error()), s.options.MaxReason)
}
