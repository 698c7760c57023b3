package scheduler

import (
	"context"
	"time"
)

// Bounds of the pause after a turn that failed. It starts short, because a database that restarts
// is back within seconds, and grows, to spare a database that is down for long.
const (
	failurePauseMin = 100 * time.Millisecond
	failurePauseMax = 5 * time.Second
)

// Run takes turns until ctx ends, and finishes a turn that has begun. A turn that fails, as when
// the database is down, does not end Run; another one follows after a pause.
func (s *Scheduler) Run(ctx context.Context) {
	r := &report{s: s, last: time.Now()}
	for {
		work, err := s.Turn(context.WithoutCancel(ctx))
		pause := r.after(work, err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			r.tell()
			return
		case <-timer.C:
		}
	}
}

// report collects what Run logs about its turns.
type report struct {
	s        *Scheduler
	work     Work
	last     time.Time
	failures int
	pause    time.Duration
}

// after counts a turn and returns the pause until the next one.
func (r *report) after(work Work, err error) time.Duration {
	r.work.add(work)
	if err != nil {
		r.failures++
		r.pause = min(max(2*r.pause, failurePauseMin), failurePauseMax)
		if r.failures&(r.failures-1) == 0 {
			r.s.o.Log.Warn("turn failed; the next one goes on from what was written",
				"error", err, "failures_in_a_row", r.failures, "pause_ms", r.pause.Milliseconds())
		}
		return r.pause
	}
	if r.failures > 0 {
		r.s.o.Log.Info("turns succeed again", "failed_before", r.failures)
	}
	r.failures, r.pause = 0, 0
	if time.Since(r.last) >= r.s.o.Report {
		r.tell()
	}
	return r.s.o.Tick
}

// tell logs one line about the turns since the line before, unless there was nothing to do in them.
func (r *report) tell() {
	w := r.work
	if w.Statements > 0 || w.Open > 0 {
		r.s.o.Log.Info("scheduled", "turns", w.Turns, "statements", w.Statements, "assigned", w.Assigned,
			"completed", w.Completed, "failed", w.Failed, "aborted", w.Aborted, "stopped", w.Stopped,
			"asked_for_upload", w.Asked, "released", w.Released, "open_entries", w.Open, "busy_hosts", w.Busy)
	}
	r.work, r.last = Work{}, time.Now()
}
