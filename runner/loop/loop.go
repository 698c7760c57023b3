// Package loop owns when a shard beats: the pause and its jitter, the splay of a start and of the
// end of an outage, the short pause of a backlog, the lifetime. It writes the one line that each
// beat gets in the log.
//
// It knows what a beat was (package beat) and nothing of how one is made.
package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"shardclient/runner/beat"
)

// jitter keeps shards that were started together apart: each beat lies within 10 % of the pause
// around its time (docs/decisions.md, 2017). The window moves on by whole pauses, so that the
// average pause is the one asked for.
const jitter = 0.1

// Options say when a loop beats. Zero durations are allowed, but for Pause.
type Options struct {
	// Beat is one turn. Tests, `once` and `run` all call the same.
	Beat  func(ctx context.Context) beat.Report
	Pause time.Duration
	// Drain is between beats while finished jobs are left over (2018), or while the record that the
	// master refuses is looked for; the pause, if that is shorter.
	Drain    time.Duration
	Splay    time.Duration // the first beat, and the first after an outage, waits a random part of it
	Lifetime time.Duration // no beat begins later than this after the start; 0: for ever
	Logger   *slog.Logger
}

// Loop beats until it is told to stop.
type Loop struct {
	options     Options
	failures    int
	lastSuccess time.Time
}

// New returns a loop that has not begun. The error names the option that is missing.
func New(o Options) (*Loop, error) {
	switch {
	case o.Beat == nil:
		return nil, errors.New("loop: Options.Beat is nil: want what makes one heartbeat")
	case o.Pause <= 0:
		return nil, fmt.Errorf("loop: Options.Pause is %v: want more than 0", o.Pause)
	case o.Drain < 0:
		return nil, fmt.Errorf("loop: Options.Drain is %v: want 0 or more", o.Drain)
	case o.Splay < 0:
		return nil, fmt.Errorf("loop: Options.Splay is %v: want 0 or more", o.Splay)
	case o.Lifetime < 0:
		return nil, fmt.Errorf("loop: Options.Lifetime is %v: want 0 or more", o.Lifetime)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Loop{options: o}, nil
}

// Run returns nil when ctx ends or the lifetime is over, and the error of a beat whose failure no
// later beat can mend: another client holds the lock.
func (l *Loop) Run(ctx context.Context) error {
	o := l.options
	began := time.Now()
	window := began.Add(randomPart(o.Splay))
	next := window
	for {
		if o.Lifetime > 0 && next.Sub(began) >= o.Lifetime {
			sleep(ctx, o.Lifetime-time.Since(began))
			o.Logger.Info("lifetime is over", "lifetime_ms", o.Lifetime.Milliseconds())
			return nil
		}
		if !sleep(ctx, time.Until(next)) {
			o.Logger.Info("stopped")
			return nil
		}
		report := o.Beat(ctx)
		if report.Fatal {
			return report.Err
		}
		l.log(&report)
		window, next = l.after(&report, window, time.Now())
	}
}

// after says when the next window is, and when in it the next beat.
func (l *Loop) after(r *beat.Report, window, now time.Time) (time.Time, time.Time) {
	o := l.options
	if r.Soon {
		return now, now.Add(min(o.Drain, o.Pause))
	}
	window = window.Add(o.Pause)
	if r.Outage {
		// All shards met the same outage; where each meets its end is drawn anew.
		window = now.Add(o.Pause + randomPart(o.Splay))
		if r.Abandoned {
			// The request that was given up still waits in the master's queue: as long as it waited
			// in vain, nothing is put behind it.
			window = window.Add(time.Duration(r.RPCMS * float64(time.Millisecond)))
		}
	}
	for window.Before(now) {
		window = window.Add(o.Pause) // a beat longer than the pause misses windows
	}
	return window, window.Add(time.Duration((rand.Float64()*2 - 1) * jitter * float64(o.Pause)))
}

func randomPart(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// log writes one line a beat. A failure that repeats warns at the 1st, 2nd, 4th, 8th ... time and
// says how old the last success is; the others are for debug.
func (l *Loop) log(r *beat.Report) {
	log := l.options.Logger
	if r.OK() {
		if l.failures > 1 {
			log.Info("heartbeats succeed again", "failed_before", l.failures)
		}
		l.failures, l.lastSuccess = 0, time.Now()
		log.Info("heartbeat", r.Attributes()...)
		return
	}
	l.failures++
	level := slog.LevelDebug
	if l.failures&(l.failures-1) == 0 {
		level = slog.LevelWarn
	}
	success := "never since the start"
	if !l.lastSuccess.IsZero() {
		success = time.Since(l.lastSuccess).Round(time.Second).String() + " ago"
	}
	log.Log(context.Background(), level, "heartbeat failed",
		append(r.Attributes(), "failures_in_a_row", l.failures, "last_success", success)...)
}

// Log writes the line of a single beat, as a loop would write that of its first.
func Log(log *slog.Logger, r *beat.Report) {
	(&Loop{options: Options{Logger: log}}).log(r)
}
