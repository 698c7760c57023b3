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
// A job that is too much for the master by itself is another matter, because in an outage any job
// is. It is held back, and set aside only if another packet passes and it is too much once more.
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
	Aside   bool                 // its only job has been set aside by [Search.SetAside]
}

// Outcome is what a beat has found out about its records.
type Outcome struct {
	Soon  bool // the search goes on, or there is more to try
	Aside int  // how many records were set aside
	All   bool // the master refuses an empty packet, too

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
	return q.ProbePlan(ctx)
}

// Judge draws a conclusion about the records of a packet from how it was received; failure is nil
// when it passed.
func (s *Search) Judge(ctx context.Context, p Packet, failure error) (Outcome, error) {
	step := p.step(failure)
	if step == nil {
		return Outcome{Soon: failure == nil && p.Plan.Heavy > 0}, nil
	}
	words := s.words(failure)
	var found Outcome
	err := s.options.Lock.Write(ctx, func(q *sharddb.Queries) error {
		found = Outcome{} // Write may run this again
		if err := step(ctx, q, &found, words); err != nil {
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

// step returns what follows for the search from how the packet was received; nil: nothing does.
func (p Packet) step(failure error) func(context.Context, *sharddb.Queries, *Outcome, string) error {
	verdict := afe.Judge(failure)
	switch {
	case verdict.Is(afe.Answered):
		if p.Plan.Mode == modeAll {
			return nil
		}
		return p.passed
	case verdict.Is(afe.Ours):
		return nil
	case p.Plan.Mode == modeBare && verdict.Is(afe.Refused) && !verdict.Outage():
		return refusesAll
	case p.Plan.Mode == modeBare:
		return end
	case verdict.Is(afe.Refused):
		return func(ctx context.Context, q *sharddb.Queries, found *Outcome, words string) error {
			return p.refused(ctx, q, found, failure, words)
		}
	case verdict.Outage() && len(p.JobIDs) == 0 && p.Plan.Heavy > 0:
		return lighten
	case !verdict.Is(afe.Overloaded) || len(p.JobIDs) != 1:
		return nil
	case p.Plan.Mode == modeRetry:
		return p.guilty
	case p.Least:
		return p.heavy
	}
	return nil
}

// records lists the records of the packet that the master could object to.
func (p Packet) records() (kinds []string, ids []int64) {
	hosts, jobs := p.HostIDs, p.JobIDs
	kinds = slices.Repeat([]string{kindHost}, len(hosts))
	kinds = append(kinds, slices.Repeat([]string{kindJob}, len(jobs))...)
	return kinds, slices.Concat(hosts, jobs)
}
