package shard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
)

// How one record that the master refuses harms only itself (P6, docs/promises.md, "one record
// blocks all"). The original master rejects a whole call for one record, and does not always say
// which. So the packet is split over several beats until the guilty record is alone, and then that
// record is set aside. The state of the search is in shard_client_suspects, because each beat may
// come from another process.
//
// A sick master refuses everything. Therefore the second packet is an empty one, and only if that
// passes is there anything to look for. Among n records, jobs and known hosts together, one guilty
// record costs at most log2(n)+2 failed beats. Where the master's message names a record, the
// second packet holds all the others instead; a wrong name costs one more failed beat and nothing
// else. The record that is found is set aside only when the next packet, with everything else,
// passes.

// Modes of a packet; see ProbePlan in queries/shard/probe.sql.
const (
	modeAll     = "all"
	modeWithout = "without"
	modeBare    = "bare"
	modeHalf    = "half"
	modeRetry   = "retry"
)

// Why a packet goes without a record, to see whether the rest passes: the master's message names
// the record, or the record was refused alone.
const (
	stateNamed  = "named"
	stateGuilty = "guilty"
)

// changedAfter is how long a record that was set aside rests before a change of it is a reason to
// try it again. A job that changes all the time would otherwise fail every other beat.
const changedAfter = time.Minute

// search is one packet of the search, or of a beat that may begin one.
type search struct {
	packet *afe.Packet
	memo   *memo
}

// conclusion is what a beat has found out about its records.
type conclusion struct {
	kinds, reasons []string // of the records to set aside
	ids            []int64  // parallel to kinds and reasons
	soon           bool     // the search goes on, or there is more to try
}

// blame notes that a record is to be set aside.
func (f *conclusion) blame(kind string, id int64, reason string) {
	f.kinds = append(f.kinds, kind)
	f.ids = append(f.ids, id)
	f.reasons = append(f.reasons, reason)
}

// judge draws a conclusion about the records from how the packet was received; failure is nil when
// it passed.
func (t *turn) judge(ctx context.Context, failure error) error {
	s := search{t.packet, t.memo}
	if !s.isProof(afe.Judge(failure)) {
		return nil
	}
	words := t.c.words(failure)
	var found conclusion
	err := t.c.lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		found = conclusion{} // Write may run this again
		if failure == nil {
			err = s.passed(ctx, q, &found)
		} else {
			err = s.refused(ctx, q, &found, failure, words)
		}
		if err != nil {
			return err
		}
		return found.quarantine(ctx, q)
	})
	if err != nil {
		return fmt.Errorf("look for the record that the master refuses: %w", err)
	}
	t.report.Soon = found.soon
	t.report.Quarantined = len(found.ids)
	t.c.logRefused(&found)
	return nil
}

// isProof reports whether a verdict on the packet shows anything about the records in it.
func (s search) isProof(verdict afe.Verdict) bool {
	switch {
	case verdict.Is(afe.Answered):
		return s.memo.plan.Mode != modeAll
	case verdict.Is(afe.Refused):
		return true
	}
	// If a packet with one job is still too much, no smaller packet can help: that job is guilty.
	alone := s.memo.batch.Jobs == 1 && len(s.memo.sent.JobIds) == 1
	return alone && verdict.Is(afe.Overloaded)
}

// records lists the records of the packet that the master could object to.
func (s search) records() (kinds []string, ids []int64) {
	hosts, jobs := s.packet.KnownHostIDs, s.memo.sent.JobIds
	kinds = slices.Repeat([]string{kindHost}, len(hosts))
	kinds = append(kinds, slices.Repeat([]string{kindJob}, len(jobs))...)
	return kinds, slices.Concat(hosts, jobs)
}

// passed goes on after the master has taken the packet.
func (s search) passed(ctx context.Context, q *sharddb.Queries, found *conclusion) error {
	found.soon = true
	switch s.memo.plan.Mode {
	case modeWithout:
		return convict(ctx, q, found)
	case modeBare:
		_, err := q.ProbeProve(ctx)
		return err
	case modeHalf:
		return s.clear(ctx, q)
	}
	// A retry: whatever else waits may be tried soon, too.
	_, err := q.QuarantineForget(ctx, sharddb.QuarantineForgetParams{
		Direction: directionOut, Kind: s.memo.plan.DueKind, ObjectIds: []int64{s.memo.plan.DueID},
	})
	return err
}

// convict ends the search: everything but the records that are named or guilty has passed.
func convict(ctx context.Context, q *sharddb.Queries, found *conclusion) error {
	guilty, err := q.ProbeNamed(ctx)
	if err != nil {
		return err
	}
	for _, record := range guilty {
		found.blame(record.Kind, record.ObjectID, record.Reason)
	}
	_, err = q.ProbeEnd(ctx)
	return err
}

// clear takes off the list what has passed, and what can no longer be sent. When no suspect is
// left, whatever was refused passes now.
func (s search) clear(ctx context.Context, q *sharddb.Queries) error {
	kinds, ids := s.records()
	if _, err := q.ProbeClear(ctx, sharddb.ProbeClearParams{
		Kinds: kinds, Ids: ids, WaitingJobs: s.memo.waiting,
		PlannedJobs: s.memo.plan.JobIds, PlannedHosts: s.memo.plan.HostIds,
	}); err != nil {
		return err
	}
	left, err := q.ProbeLeft(ctx)
	if err == nil && left == 0 {
		_, err = q.ProbeEnd(ctx)
	}
	return err
}

// refused goes on after a refusal; words are the master's own.
func (s search) refused(ctx context.Context, q *sharddb.Queries, found *conclusion, failure error, words string) error {
	switch s.memo.plan.Mode {
	case modeBare: // the fault is not in the records
		_, err := q.ProbeEnd(ctx)
		return err
	case modeRetry:
		found.blame(s.memo.plan.DueKind, s.memo.plan.DueID, words)
		return nil
	case modeHalf:
		return s.narrow(ctx, q, found, words)
	}
	// A search begins: with the record that the master's message names, or else with all of them.
	named, err := s.named(ctx, q, failure)
	if err != nil {
		return err
	}
	if named.ID != 0 {
		found.soon = true
		return suspect(ctx, q, named.Kind, named.ID, stateNamed, words)
	}
	kinds, ids := s.records()
	found.soon = len(ids) > 0
	_, err = q.ProbeBegin(ctx, kinds, ids)
	return err
}

// narrow goes on with the suspects in the refused packet. A single one is guilty if the next
// packet, with everything else, passes. If there is none, the master now refuses what passed
// before, and then nothing is proven.
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
	for _, last := range suspects {
		if err := suspect(ctx, q, last.Kind, last.ObjectID, stateGuilty, words); err != nil {
			return err
		}
	}
	_, err = q.ProbeRelease(ctx)
	return err
}

// suspect notes why the next packet goes without a record.
func suspect(ctx context.Context, q *sharddb.Queries, kind string, id int64, state, reason string) error {
	_, err := q.ProbeName(ctx, sharddb.ProbeNameParams{Kind: kind, ID: id, State: state, Reason: reason})
	return err
}
