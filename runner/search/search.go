// Package search finds the record of ours for which the master refuses a packet, so that one such
// record harms only itself (P6, docs/promises.md, "one record blocks all").
//
// # The search
//
// The original master rejects a whole call for one record, and does not always say which. So the
// packet is split over several beats until the guilty record is alone, and then that record is set
// aside. The state of the search is in shard_client_suspects, because each beat may come from
// another process.
//
// A sick master refuses everything. Therefore the second packet is an empty one, and only if that
// passes is there anything to look for. Among n records, jobs and known hosts together, one guilty
// record costs at most log2(n)+2 failed beats. Where the master's message names a record, the
// second packet holds all the others instead; a wrong name costs one more failed beat and nothing
// else. The record that is found is set aside only when the next packet, with everything else,
// passes.
//
// # Use
//
// [Plan] before each packet says which records may go; [Search.Judge] after each call draws a
// conclusion from how it ended. What is in between, building the packet and sending it, is the
// business of package shard, which this package does not know.
package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
	"shardclient/runner/lock"
)

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

// Kinds of records, and the direction in which they were to go, as the quarantine names them.
const (
	kindHost     = "host"
	kindJob      = "job"
	directionOut = "out"
)

// Options are what a search needs. None may be left out.
type Options struct {
	Lock       *lock.Lock
	Redact     func(string) string // takes secrets out of the master's words
	Logger     *slog.Logger
	MaxReason  int   // bytes that are kept of the master's words
	MaxPayload int32 // bytes that are kept of a record that is set aside
}

// Search looks for the record that the master refuses. It remembers nothing from beat to beat but
// what is in the database.
type Search struct{ options Options }

// New returns a search. The error names the option that cannot be used.
func New(options Options) (*Search, error) {
	switch {
	case options.Lock == nil:
		return nil, errors.New("search: Options.Lock is nil: want the lock of the shard")
	case options.Redact == nil:
		return nil, errors.New("search: Options.Redact is nil: want what takes secrets out of a text")
	case options.Logger == nil:
		return nil, errors.New("search: Options.Logger is nil: want a logger")
	case options.MaxReason <= 0:
		return nil, fmt.Errorf("search: Options.MaxReason is %d: want at least 1", options.MaxReason)
	case options.MaxPayload <= 0:
		return nil, fmt.Errorf("search: Options.MaxPayload is %d: want at least 1", options.MaxPayload)
	}
	return &Search{options}, nil
}

// Packet is what the search must know of a packet that was sent.
type Packet struct {
	Plan    sharddb.ProbePlanRow // which records could go; see [Plan]
	HostIDs []int64              // the known hosts in it
	JobIDs  []int64              // the finished jobs in it
	Waiting []int64              // finished jobs that could go, but wait for the next packet
	Least   bool                 // no packet that holds anything can hold less
}

// Outcome is what a beat has found out about its records.
type Outcome struct {
	Soon  bool // the search goes on, or there is more to try
	Aside int  // how many records were set aside

	kinds, reasons []string // of the records to set aside
	ids            []int64  // parallel to kinds and reasons
}

// blame notes that a record is to be set aside.
func (f *Outcome) blame(kind string, id int64, reason string) {
	f.kinds = append(f.kinds, kind)
	f.ids = append(f.ids, id)
	f.reasons = append(f.reasons, reason)
	f.Aside++
}

// Plan says which records the next packet may hold.
func Plan(ctx context.Context, q *sharddb.Queries) (sharddb.ProbePlanRow, error) {
	return q.ProbePlan(ctx, changedAfter.Seconds())
}

// Judge draws a conclusion about the records of a packet from how it was received; failure is nil
// when it passed.
func (s *Search) Judge(ctx context.Context, p Packet, failure error) (Outcome, error) {
	if !p.isProof(afe.Judge(failure)) {
		return Outcome{}, nil
	}
	words := s.words(failure)
	var found Outcome
	err := s.options.Lock.Write(ctx, func(q *sharddb.Queries) (err error) {
		found = Outcome{} // Write may run this again
		if failure == nil {
			err = p.passed(ctx, q, &found)
		} else {
			err = p.refused(ctx, q, &found, failure, words)
		}
		if err != nil {
			return err
		}
		return s.quarantine(ctx, q, &found)
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("look for the record that the master refuses: %w", err)
	}
	s.logRefused(&found)
	return found, nil
}

// isProof reports whether a verdict on the packet shows anything about the records in it.
func (p Packet) isProof(verdict afe.Verdict) bool {
	switch {
	case verdict.Is(afe.Answered):
		return p.Plan.Mode != modeAll
	case verdict.Is(afe.Refused):
		return true
	}
	// If a packet with one job is still too much, no smaller packet can help: that job is guilty.
	return p.Least && len(p.JobIDs) == 1 && verdict.Is(afe.Overloaded)
}

// records lists the records of the packet that the master could object to.
func (p Packet) records() (kinds []string, ids []int64) {
	hosts, jobs := p.HostIDs, p.JobIDs
	kinds = slices.Repeat([]string{kindHost}, len(hosts))
	kinds = append(kinds, slices.Repeat([]string{kindJob}, len(jobs))...)
	return kinds, slices.Concat(hosts, jobs)
}

// passed goes on after the master has taken the packet.
func (p Packet) passed(ctx context.Context, q *sharddb.Queries, found *Outcome) error {
	found.Soon = true
	switch p.Plan.Mode {
	case modeWithout:
		return convict(ctx, q, found)
	case modeBare:
		_, err := q.ProbeProve(ctx)
		return err
	case modeHalf:
		return p.clear(ctx, q)
	}
	// A retry: whatever else waits may be tried soon, too.
	_, err := q.QuarantineForget(ctx, sharddb.QuarantineForgetParams{
		Direction: directionOut, Kind: p.Plan.DueKind, ObjectIds: []int64{p.Plan.DueID},
	})
	return err
}

// convict ends the search: everything but the records that are named or guilty has passed.
func convict(ctx context.Context, q *sharddb.Queries, found *Outcome) error {
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
func (p Packet) clear(ctx context.Context, q *sharddb.Queries) error {
	kinds, ids := p.records()
	if _, err := q.ProbeClear(ctx, sharddb.ProbeClearParams{
		Kinds: kinds, Ids: ids, WaitingJobs: p.Waiting,
		PlannedJobs: p.Plan.JobIds, PlannedHosts: p.Plan.HostIds,
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
func (p Packet) refused(ctx context.Context, q *sharddb.Queries, found *Outcome, failure error, words string) error {
	switch p.Plan.Mode {
	case modeBare: // the fault is not in the records
		_, err := q.ProbeEnd(ctx)
		return err
	case modeRetry:
		found.blame(p.Plan.DueKind, p.Plan.DueID, words)
		return nil
	case modeHalf:
		return p.narrow(ctx, q, found, words)
	}
	// A search begins: with the record that the master's message names, or else with all of them.
	named, err := p.named(ctx, q, failure)
	if err != nil {
		return err
	}
	if named.ID != 0 {
		found.Soon = true
		return suspect(ctx, q, named.Kind, named.ID, stateNamed, words)
	}
	kinds, ids := p.records()
	found.Soon = len(ids) > 0
	_, err = q.ProbeBegin(ctx, kinds, ids)
	return err
}

// narrow goes on with the suspects in the refused packet. A single one is guilty if the next
// packet, with everything else, passes. If there is none, the master now refuses what passed
// before, and then nothing is proven.
func (p Packet) narrow(ctx context.Context, q *sharddb.Queries, found *Outcome, words string) error {
	kinds, ids := p.records()
	suspects, err := q.ProbeNarrow(ctx, kinds, ids)
	if err != nil {
		return err
	}
	found.Soon = len(suspects) > 0
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
