package shard

import (
	"context"
	"errors"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/plain"
)

// A record that was set aside is tried again after a minute, then after twice the time before, at
// last four times a day: often enough for a master that was repaired, too seldom to matter when it
// was not.
const (
	retryFirst = time.Minute
	retryLast  = 6 * time.Hour
)

// store sets the records aside that the search has found guilty.
func (f *conclusion) store(ctx context.Context, q *sharddb.Queries) error {
	if len(f.ids) == 0 {
		return nil
	}
	_, err := q.QuarantineRefused(ctx, sharddb.QuarantineRefusedParams{
		Kinds: f.kinds, Ids: f.ids, Reasons: f.reasons,
		FirstSeconds: retryFirst.Seconds(), LastSeconds: retryLast.Seconds(), MaxPayload: maxPayload,
	})
	return err
}

func (c *Client) logRefused(f *conclusion) {
	if len(f.ids) > 0 {
		c.log.Warn("records set aside that the master refuses; see `shard-client quarantine list`", "records", len(f.ids),
			"first_kind", f.kinds[0], "first_id", f.ids[0], "first_reason", f.reasons[0])
	}
}

// named returns the record of this packet that the master's message names; its ID is 0 when the
// message names none.
func (s search) named(ctx context.Context, q *sharddb.Queries, reason error) (named sharddb.ProbeResolveRow, err error) {
	var rpc *afe.RPCError
	if !errors.As(reason, &rpc) {
		return named, nil
	}
	subject := rpc.Subject()
	if subject == (afe.Subject{}) {
		return named, nil
	}
	found, err := q.ProbeResolve(ctx, sharddb.ProbeResolveParams{
		Kind: subject.Kind, ID: subject.ID, Hostname: subject.Hostname,
		JobIds: s.memo.sent.JobIds, HostIds: s.packet.KnownHostIDs,
	})
	if err != nil || len(found) == 0 {
		return named, err
	}
	return found[0], nil
}

// words returns the master's own, without address, traceback and secrets.
func (c *Client) words(reason error) string {
	var rpc *afe.RPCError
	switch {
	case reason == nil:
		return ""
	case errors.As(reason, &rpc):
		reason = rpc
	}
	return plain.Line(c.options.Redact(reason.Error()), maxReason)
}
