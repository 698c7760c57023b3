package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sharddb "shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/plain"
)

// How one record that the master refuses harms only itself (P6, docs/decisions.md,
// fault 3). The original master rejects a whole call for one record, and does not
// always say which. So the packet is split over beats until the guilty record is
// alone, and that one is set aside. The search stands in shard_client_suspects,
// because beats may come from separate processes.
//
// A sick master refuses everything. Therefore the second packet is an empty one:
// only if that passes is there anything to look for. Of n records, jobs and known
// hosts together, one is found with at most log2(n)+2 failed beats. Where the
// master's message names the record, the second packet goes without that one
// instead; nothing depends on it. Who is found is set aside only when the next
// packet, with everything else, passes.

// Modes of a packet; see ProbePlan in queries/shard/probe.sql.
const (
	modeAll     = "all"
	modeWithout = "without"
	modeBare    = "bare"
	modeHalf    = "half"
	modeRetry   = "retry"
)

// Who a packet goes without to see whether the rest passes: the master's message
// names it, or it was refused alone.
const (
	stateNamed  = "named"
	stateGuilty = "guilty"
)

// changedAfter keeps a job that was set aside, and changes all the time, from
// failing every other beat.
const changedAfter = time.Minute

// A record that was set aside is tried again after a minute, then after twice the
// time before, at last four times a day: often enough for a master that was
// repaired, too seldom to matter when it was not.
const (
	retryFirst = time.Minute
	retryLast  = 6 * time.Hour
)

// verdict is what a beat has found out about its records.
type verdict struct {
	kinds, reasons []string // of what is set aside
	ids            []int64
	soon           bool // the search goes on, or there is more to try
}

func (v *verdict) setAside(kind string, id int64, reason string) {
	v.kinds, v.ids, v.reasons = append(v.kinds, kind), append(v.ids, id), append(v.reasons, reason)
}

// records of the packet that the master could object to.
func (p *packed) records() (kinds []string, ids []int64) {
	ids = slices.Concat(p.packet.KnownHostIDs, p.sent.JobIds)
	kinds = slices.Repeat([]string{kindJob}, len(ids))
	for i := range p.packet.KnownHostIDs {
		kinds[i] = kindHost
	}
	return kinds, ids
}

// judge draws the conclusion from how the packet was received; err is nil when it
// passed.
func (c *Client) judge(ctx context.Context, p *packed, err error) (v verdict, failure error) {
	// What no smaller packet can help is the fault of the one job in it.
	alone := p.batch.Jobs == 1 && len(p.sent.JobIds) == 1 && overwhelmed(err)
	if err == nil && p.plan.Mode == modeAll || err != nil && !refused(err) && !alone {
		return v, nil
	}
	p.words = c.words(err)
	failure = c.write(ctx, func(q *sharddb.Queries) (e error) {
		v = verdict{}
		if err == nil {
			e = p.passed(ctx, q, &v)
		} else {
			e = p.refused(ctx, q, &v, err)
		}
		if e != nil || len(v.ids) == 0 {
			return e
		}
		_, e = q.QuarantineRefused(ctx, sharddb.QuarantineRefusedParams{
			Kinds: v.kinds, Ids: v.ids, Reasons: v.reasons,
			FirstSeconds: retryFirst.Seconds(), LastSeconds: retryLast.Seconds(), MaxPayload: maxPayload,
		})
		return e
	})
	if failure != nil {
		return verdict{}, fmt.Errorf("look for the record that the master refuses: %w", failure)
	}
	if len(v.ids) > 0 {
		c.log.Warn("records set aside that the master refuses; see `shard-client quarantine list`", "records", len(v.ids),
			"first_kind", v.kinds[0], "first_id", v.ids[0], "first_reason", v.reasons[0])
	}
	return v, nil
}

func (p *packed) passed(ctx context.Context, q *sharddb.Queries, v *verdict) error {
	switch p.plan.Mode {
	case modeWithout:
		named, err := q.ProbeNamed(ctx)
		if err != nil {
			return err
		}
		for _, n := range named {
			v.setAside(n.Kind, n.ObjectID, n.Reason)
		}
		v.soon = true
		_, err = q.ProbeEnd(ctx)
		return err
	case modeBare:
		v.soon = true
		_, err := q.ProbeProve(ctx)
		return err
	case modeHalf:
		return p.clear(ctx, q, v)
	}
	// A retry: whatever else waits may be tried soon, too.
	v.soon = true
	args := sharddb.QuarantineForgetParams{Direction: directionOut, Kind: p.plan.DueKind, ObjectIds: []int64{p.plan.DueID}}
	_, err := q.QuarantineForget(ctx, args)
	return err
}

// clear takes what has passed, and what cannot be sent any longer, off the list.
// When nobody is left, whatever was refused passes now.
func (p *packed) clear(ctx context.Context, q *sharddb.Queries, v *verdict) error {
	kinds, ids := p.records()
	if _, err := q.ProbeClear(ctx, sharddb.ProbeClearParams{
		Kinds: kinds, Ids: ids, PlannedJobs: p.plan.JobIds, PlannedHosts: p.plan.HostIds, WaitingJobs: p.waiting,
	}); err != nil {
		return err
	}
	left, err := q.ProbeLeft(ctx)
	if err != nil {
		return err
	}
	v.soon = true
	if left == 0 {
		_, err = q.ProbeEnd(ctx)
	}
	return err
}

func (p *packed) refused(ctx context.Context, q *sharddb.Queries, v *verdict, reason error) error {
	switch p.plan.Mode {
	case modeBare: // the fault is not in the records
		_, err := q.ProbeEnd(ctx)
		return err
	case modeRetry:
		v.setAside(p.plan.DueKind, p.plan.DueID, p.words)
		return nil
	case modeHalf:
		return p.narrow(ctx, q, v)
	}
	v.soon = true
	named, err := p.named(ctx, q, reason)
	if err != nil {
		return err
	}
	if named.ID != 0 {
		return p.name(ctx, q, named.Kind, named.ID, stateNamed)
	}
	kinds, ids := p.records()
	v.soon = len(ids) > 0
	_, err = q.ProbeBegin(ctx, kinds, ids)
	return err
}

// narrow goes on with the suspects of the refused packet. A single one is guilty
// if the next packet, with all but that one, passes. None means that what passed
// before is refused now; then nothing is proven.
func (p *packed) narrow(ctx context.Context, q *sharddb.Queries, v *verdict) error {
	kinds, ids := p.records()
	suspects, err := q.ProbeNarrow(ctx, kinds, ids)
	if err != nil {
		return err
	}
	v.soon = len(suspects) > 0
	if len(suspects) > 1 {
		return nil
	}
	for _, s := range suspects {
		if err := p.name(ctx, q, s.Kind, s.ObjectID, stateGuilty); err != nil {
			return err
		}
	}
	_, err = q.ProbeRelease(ctx)
	return err
}

func (p *packed) name(ctx context.Context, q *sharddb.Queries, kind string, id int64, state string) error {
	_, err := q.ProbeName(ctx, sharddb.ProbeNameParams{Kind: kind, ID: id, State: state, Reason: p.words})
	return err
}

// named is the record of this packet that the master's message names, if it does.
func (p *packed) named(ctx context.Context, q *sharddb.Queries, reason error) (named sharddb.ProbeResolveRow, err error) {
	var rpc *afe.RPCError
	if !errors.As(reason, &rpc) {
		return named, nil
	}
	subject := rpc.Subject()
	if subject == (afe.Subject{}) {
		return named, nil
	}
	found, err := q.ProbeResolve(ctx, sharddb.ProbeResolveParams{
		Kind: string(subject.Kind), ID: subject.ID, Hostname: subject.Hostname,
		JobIds: p.sent.JobIds, HostIds: p.packet.KnownHostIDs,
	})
	if err != nil || len(found) == 0 {
		return named, err
	}
	return found[0], nil
}

// words are the master's own, without address, traceback and secrets.
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
