// Package loop owns when a shard beats. It knows what a beat was (package beat), and nothing of how
// one is made.
//
// # The rules
//
// [Loop.Run] beats once a pause, in windows that move on by whole pauses, with a jitter of 10 %
// that keeps shards apart. The first beat of a start, and the first after an outage, waits a random
// part of the splay, because all shards start or meet the outage together. While a report says
// Soon, the next beat follows after the short drain pause. No beat begins after the lifetime.
//
// [Until] waits for something that is needed before the first beat, such as the database.
//
// # The log
//
// Each beat gets one line, and so does `once` by [Log]. A failure that repeats is logged as a
// warning at the 1st, 2nd, 4th, 8th ... time and at least every half hour, so that an outage of a
// week neither fills the log nor leaves it silent.
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

// jitter is the part of the pause by which a beat lies before or after its time, to keep shards
// apart that were started together (docs/promises.md, "beating in phase"). The window moves on by
// whole pauses, so the average pause is the one asked for.
const jitter = 0.1

// Options say when a loop beats. Durations other than Pause may be 0.
type Options struct {
	// Begins is asked right before each heartbeat, and ends the loop by false; nil: all begin.
	Begins func(ctx context.Context) bool
	// Beat makes one heartbeat.
	Beat func(ctx context.Context) beat.Report
	// Pause is the time between two beats.
	Pause time.Duration
	// Drain is the time between beats while finished jobs are left over (docs/promises.md, "growing
	// uploads"), or while the client looks for the record that the master refuses. A shorter Pause
	// goes before.
	Drain time.Duration
	// Splay is the longest wait before the first beat, and before the first after an outage; how
	// long it is, chance decides.
	Splay time.Duration
	// Lifetime is the time after Began from which on no beat begins; 0: beat for ever.
	Lifetime time.Duration
	// Began is when the process began; zero: it begins with Run.
	Began time.Time
	// Past is what is known of the beats before this process, for the log.
	Past beat.Past
	// Waits hears when the next beat begins, as often as one is planned; nil: nobody does.
	Waits func(next time.Time)
	// Logger gets one line a beat; nil: nothing is logged.
	Logger *slog.Logger
}

// Loop beats until it is told to stop.
type Loop struct {
	options     Options
	failures    int // in a row
	lastSuccess time.Time
	teller      teller
}

// New returns a loop that has not begun. The error names the first option that is missing or cannot
// be used.
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
	if o.Waits == nil {
		o.Waits = func(time.Time) {}
	}
	return &Loop{options: o, failures: o.Past.Failures, lastSuccess: o.Past.LastSuccess}, nil
}

// Run beats until ctx ends or the lifetime is over, and then returns nil. It returns the error of a
// beat whose report is Fatal, because no later beat can mend that failure.
func (l *Loop) Run(ctx context.Context) error {
	o := l.options
	if o.Began.IsZero() {
		o.Began = time.Now()
	}
	window := time.Now().Add(randomPart(o.Splay))
	next := window
	if wait := time.Until(next); wait > 0 {
		o.Logger.Info("waiting for the first beat", "wait_ms", wait.Milliseconds(), "startup_splay_ms", o.Splay.Milliseconds())
	}
	for {
		o.Waits(next)
		if o.Lifetime > 0 && next.Sub(o.Began) >= o.Lifetime {
			sleep(ctx, o.Lifetime-time.Since(o.Began))
			o.Logger.Info("lifetime is over", "lifetime_ms", o.Lifetime.Milliseconds())
			return nil
		}
		if !sleep(ctx, time.Until(next)) || o.Begins != nil && !o.Begins(ctx) {
			o.Logger.Info("stopped")
			return nil
		}
		report := o.Beat(ctx)
		if report.Fatal {
			return report.Err
		}
		window, next = l.after(&report, window, time.Now())
		l.log(&report, time.Until(next))
	}
}

// after returns the time of the next window, and in it that of the next beat.
func (l *Loop) after(r *beat.Report, window, now time.Time) (nextWindow, next time.Time) {
	o := l.options
	if r.Soon {
		return now, now.Add(min(o.Drain, o.Pause))
	}
	window = window.Add(o.Pause)
	if r.Outage {
		// All shards met the same outage, so each draws anew when it beats again.
		window = now.Add(o.Pause + randomPart(o.Splay))
		if r.Abandoned {
			// The request that was given up still waits in the master's queue. For as long as it
			// waited in vain, no other is put behind it.
			window = window.Add(r.RPCTime())
		}
	}
	for window.Before(now) {
		window = window.Add(o.Pause) // a beat longer than the pause misses windows
	}
	drift := (rand.Float64()*2 - 1) * jitter * float64(o.Pause)
	return window, window.Add(time.Duration(drift))
}

func randomPart(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// sleep reports whether the time passed; false: ctx ended first.
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
