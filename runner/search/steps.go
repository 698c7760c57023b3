package search

import (
	"context"

	"shardclient/gen/sharddb"
)

// maxHeavy is how many jobs are held back at a time because each was too much for the master by
// itself. If there are more, it is the master.
const maxHeavy = 8

// end ends the search: the fault is not in the records, or nothing is proven.
func end(ctx context.Context, q *sharddb.Queries, _ *Outcome, _ string) error {
	_, err := q.ProbeEnd(ctx)
	return err
}

// refusesAll ends the search: the master itself is at fault.
func refusesAll(ctx context.Context, q *sharddb.Queries, found *Outcome, words string) error {
	found.All = true
	return end(ctx, q, found, words)
}

// heavy notes that a packet with this job alone is too much for the master. That may be an outage,
// so the next packets hold other jobs. Once a packet has passed, the job is tried again alone.
func (p Packet) heavy(ctx context.Context, q *sharddb.Queries, _ *Outcome, words string) error {
	_, err := q.ProbeHeavy(ctx, sharddb.ProbeHeavyParams{Most: maxHeavy, ID: p.JobIDs[0], Reason: words})
	return err
}

// lighten drops all suspicions of that kind: the master could not cope with a packet without jobs,
// or takes now what was too much.
func lighten(ctx context.Context, q *sharddb.Queries, _ *Outcome, _ string) error {
	_, err := q.ProbeLighten(ctx, 0)
	return err
}

// guilty sets the record aside that was tried alone.
func (p Packet) guilty(ctx context.Context, q *sharddb.Queries, found *Outcome, words string) error {
	found.blame(p.Plan.DueKind, p.Plan.DueID, words)
	if p.Plan.Heavy == 0 {
		return nil
	}
	_, err := q.ProbeLighten(ctx, p.Plan.DueID)
	return err
}

// passed goes on after the master has taken the packet.
func (p Packet) passed(ctx context.Context, q *sharddb.Queries, found *Outcome, _ string) error {
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
	if p.Aside {
		return nil
	}
	// A retry: whatever else waits may be tried soon, too.
	if _, err := q.QuarantineForget(ctx, sharddb.QuarantineForgetParams{
		Direction: directionOut, Kind: p.Plan.DueKind, ObjectIds: []int64{p.Plan.DueID},
	}); err != nil {
		return err
	}
	if p.Plan.Heavy == 0 {
		return nil
	}
	return lighten(ctx, q, found, "") // it was the master, so the others are free to go, too
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
	case modeRetry:
		return p.guilty(ctx, q, found, words)
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
