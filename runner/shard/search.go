package shard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
)

// How one record that the master refuses harms only itself (P6, docs/decisions.md, fault 3). The
// original master rejects a whole call for one record, and does not always say which. So the packet
// is split over beats until the guilty record is alone, and that one is set aside. The search stands
// in shard_client_suspects, because beats may come from separate processes.
//
// A sick master refuses everything. Therefore the second packet is an empty one: only if that passes
// is there anything to look for. Of n records, jobs and known hosts together, one is found with at
// most log2(n)+2 failed beats. Where the master's message names the record, the second packet goes
// without that one instead; nothing depends on it. The record that is found is set aside only when
// the next packet, with everything else, passes.

// Modes of a packet; see ProbePlan in queries/shard/probe.sql.
const (
	modeAll     = "all"
	modeWithout = "without"
	modeBare    = "bare"
	modeHalf    = "half"
	modeRetry   = "retry"
)

// Why a packet goes without a record, to see whether the rest passes: the master's message names
// it, or it was refused alone.
const (
	stateNamed  = "named"
	stateGuilty = "guilty"
)

// changedAfter keeps a job that was set aside, and changes all the time, from failing every other
// beat.
const changedAfter = time.Minute

// search is one packet of the search, or of a beat that may begin one.
type search struct {
	packet *afe.Packet
	memo   *memo
}

// conclusion is what a beat has found out about its records.
type conclusion struct {
	kinds, reasons []string // of what is set aside
	ids            []int64
	soon           bool // the search goes on, or there is more to try
}

func (f *conclusion) setAside(kind string, id int64, reason string) {
	f.kinds, f.ids, f.reasons = append(f.kinds, kind), append(f.ids, id), append(f.reasons, reason)
}

// judge draws the conclusion from how the packet was received; reason is nil when it passed.
func (c *Client) judge(ctx context.Context, packet *afe.Packet, memo *memo, reason error) (found conclusion, err error) {
	verdict := afe.Judge(reason)
	// What no smaller packet can help is the fault of the one job in it.
	alone := memo.batch.Jobs == 1 && len(memo.sent.JobIds) == 1 && verdict.Is(afe.Overloaded)
	if verdict == afe.Answered && memo.plan.Mode == modeAll || !verdict.Is(afe.Answered|afe.Refused) && !alone {
		return found, nil
	}
	s := search{packet, memo}
	words := c.words(reason)
	err = c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		found = conclusion{}
		if reason == nil {
			err = s.passed(ctx, q, &found)
		} else {
			err = s.refused(ctx, q, &found, reason, words)
		}
		if err != nil {
			return err
		}
		return found.store(ctx, q)
	})
	if err != nil {
		return conclusion{}, fmt.Errorf("look for the record that the master refuses: %w", err)
	}
	c.logRefused(&found)
	return found, nil
}

// records of the packet that the master could object to.
func (s search) records() (kinds []string, ids []int64) {
	ids = slices.Concat(s.packet.KnownHostIDs, s.memo.sent.JobIds)
	kinds = slices.Repeat([]string{kindJob}, len(ids))
	for i := range s.packet.KnownHostIDs {
		kinds[i] = kindHost
	}
	return kinds, ids
}

func (s search) passed(ctx context.Context, q *sharddb.Queries, found *conclusion) error {
	switch s.memo.plan.Mode {
	case modeWithout:
		named, err := q.ProbeNamed(ctx)
		if err != nil {
			return err
		}
		for _, n := range named {
			found.setAside(n.Kind, n.ObjectID, n.Reason)
		}
		found.soon = true
		_, err = q.ProbeEnd(ctx)
		return err
	case modeBare:
		found.soon = true
		_, err := q.ProbeProve(ctx)
		return err
	case modeHalf:
		return s.clear(ctx, q, found)
	}
	// A retry: whatever else waits may be tried soon, too.
	found.soon = true
	_, err := q.QuarantineForget(ctx, sharddb.QuarantineForgetParams{
		Direction: directionOut, Kind: s.memo.plan.DueKind, ObjectIds: []int64{s.memo.plan.DueID},
	})
	return err
}

// clear takes what has passed, and what cannot be sent any longer, off the list. When no suspect is
// left, whatever was refused passes now.
func (s search) clear(ctx context.Context, q *sharddb.Queries, found *conclusion) error {
	kinds, ids := s.records()
	plan := &s.memo.plan
	if _, err := q.ProbeClear(ctx, sharddb.ProbeClearParams{
		Kinds: kinds, Ids: ids, PlannedJobs: plan.JobIds, PlannedHosts: plan.HostIds, WaitingJobs: s.memo.waiting,
	}); err != nil {
		return err
	}
	left, err := q.ProbeLeft(ctx)
	if err != nil {
		return err
	}
	found.soon = true
	if left == 0 {
		_, err = q.ProbeEnd(ctx)
	}
	return err
}

// refused goes on after a refusal; words are the master's own.
func (s search) refused(ctx context.Context, q *sharddb.Queries, found *conclusion, reason error, words string) error {
	switch s.memo.plan.Mode {
	case modeBare: // the fault is not in the records
		_, err := q.ProbeEnd(ctx)
		return err
	case modeRetry:
		found.setAside(s.memo.plan.DueKind, s.memo.plan.DueID, words)
		return nil
	case modeHalf:
		return s.narrow(ctx, q, found, words)
	}
	found.soon = true
	named, err := s.named(ctx, q, reason)
	if err != nil {
		return err
	}
	if named.ID != 0 {
		return name(ctx, q, sharddb.ProbeNameParams{Kind: named.Kind, ID: named.ID, State: stateNamed, Reason: words})
	}
	kinds, ids := s.records()
	found.soon = len(ids) > 0
	_, err = q.ProbeBegin(ctx, kinds, ids)
	return err
}

// narrow goes on with the suspects of the refused packet. A single one is guilty if the next packet,
// with all but that one, passes. None means that what passed before is refused now; then nothing is
// proven.
func (s search) narrow(ctx context.Context, q *sharddb.Queries, found *conclusion, words string) error {
	kinds, ids := s.records()
	suspects, err := q.ProbeNarrow(ctx, kinds, ids)
	if err != nil {
		return err
	}
	found.soon = len(suspects) > 0
	if len(suspects) > 1 {
		return nil
	}
	for _, suspect := range suspects {
		guilty := sharddb.ProbeNameParams{Kind: suspect.Kind, ID: suspect.ObjectID, State: stateGuilty, Reason: words}
		if err := name(ctx, q, guilty); err != nil {
			return err
		}
	}
	_, err = q.ProbeRelease(ctx)
	return err
}

func name(ctx context.Context, q *sharddb.Queries, record sharddb.ProbeNameParams) error {
	_, err := q.ProbeName(ctx, record)
	return err
}
