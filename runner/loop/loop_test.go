package shard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/shard"
)

// recorder is a loop's beat that notes when it was called and does what it is told.
type recorder struct {
	at     []time.Time
	result func(n int) shard.Beat
	end    int // stop after so many beats
	cancel context.CancelFunc
}

func (r *recorder) beat(context.Context) shard.Beat {
	r.at = append(r.at, time.Now())
	if len(r.at) == r.end {
		r.cancel()
	}
	if r.result == nil {
		return shard.Beat{Outcome: shard.OutcomeOK}
	}
	return r.result(len(r.at))
}

func failed(class string) shard.Beat {
	err := errors.New("broken")
	return shard.Beat{Outcome: shard.OutcomeFailed, Failure: class, Error: err.Error(), Err: err}
}

// runLoop runs a loop in a bubble of fake time and returns when its beats were.
func runLoop(t *testing.T, l *shard.Loop, r *recorder) []time.Duration {
	t.Helper()
	var offsets []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.cancel = cancel
		if l.Logger == nil {
			l.Logger = slog.New(slog.DiscardHandler)
		}
		l.Beat = r.beat
		began := time.Now()
		if err := l.Run(ctx); err != nil {
			t.Errorf("loop: %v", err)
		}
		for _, at := range r.at {
			offsets = append(offsets, at.Sub(began))
		}
	})
	return offsets
}

// Every beat lies within 10 % of the pause around its own time, and the windows
// move on by whole pauses: shards drift apart, the rate does not.
func TestPauseIsJitteredInWindows(t *testing.T) {
	at := runLoop(t, &shard.Loop{Pause: time.Minute}, &recorder{end: 1000})
	early, late := false, false
	for n, offset := range at {
		drift := offset - time.Duration(n)*time.Minute
		if drift < -6*time.Second || drift > 6*time.Second {
			t.Fatalf("beat %d is %v off its time", n, drift)
		}
		early, late = early || drift < -4*time.Second, late || drift > 4*time.Second
	}
	if !early || !late {
		t.Error("a thousand beats never came near either end of their window: there is no jitter")
	}
}

func TestFirstBeatIsSpread(t *testing.T) {
	early, late := false, false
	for range 100 {
		at := runLoop(t, &shard.Loop{Pause: time.Minute, Splay: time.Minute}, &recorder{end: 1})
		if at[0] < 0 || at[0] > time.Minute {
			t.Fatalf("first beat after %v", at[0])
		}
		early, late = early || at[0] < 20*time.Second, late || at[0] > 40*time.Second
	}
	if !early || !late {
		t.Error("a hundred starts are not spread over a minute")
	}
}

// After an outage shards do not come back in phase; a failure of a shard's own
// keeps its rhythm.
func TestBeatsAfterAnOutageAreSpread(t *testing.T) {
	spread := func(class string) time.Duration {
		var longest time.Duration
		for range 50 {
			at := runLoop(t, &shard.Loop{Pause: time.Minute, Splay: time.Minute}, &recorder{end: 2, result: func(int) shard.Beat { return failed(class) }})
			longest = max(longest, at[1]-at[0])
		}
		return longest
	}
	if d := spread("transport"); d < 80*time.Second || d > 127*time.Second {
		t.Errorf("after an outage the longest pause of 50 is %v, want one spread over another minute", d)
	}
	if d := spread("database"); d > 73*time.Second {
		t.Errorf("after a failure of our own database the pause is %v", d)
	}
}

func TestBacklogIsDrainedWithoutTheFullPause(t *testing.T) {
	at := runLoop(t, &shard.Loop{Pause: time.Minute, Drain: time.Second}, &recorder{end: 4, result: func(n int) shard.Beat {
		return shard.Beat{Outcome: shard.OutcomeOK, Soon: n < 3}
	}})
	if at[1]-at[0] != time.Second || at[2]-at[1] != time.Second || at[3]-at[2] < 50*time.Second {
		t.Errorf("beats at %v, want two drained after a second each, then the pause", at)
	}
}

// A beat that takes longer than the pause misses windows; they are not made up for.
func TestMissedWindowsAreNotMadeUpFor(t *testing.T) {
	at := runLoop(t, &shard.Loop{Pause: time.Minute}, &recorder{end: 3, result: func(n int) shard.Beat {
		if n == 1 {
			<-time.After(10 * time.Minute)
		}
		return shard.Beat{Outcome: shard.OutcomeOK}
	}})
	if at[2]-at[1] < 48*time.Second {
		t.Errorf("beats at %v: the third follows at once", at)
	}
}

func TestLifetime(t *testing.T) {
	r := &recorder{}
	at := runLoop(t, &shard.Loop{Pause: time.Minute, Lifetime: 150 * time.Second}, r)
	if len(at) != 3 {
		t.Errorf("%d beats in 150 s with a pause of 60 s, want 3", len(at))
	}
}

func TestALockHeldByAnotherEndsTheLoop(t *testing.T) {
	held := &shard.HeldError{Who: "somebody"}
	l := &shard.Loop{Pause: time.Minute, Logger: slog.New(slog.DiscardHandler), Beat: func(context.Context) shard.Beat {
		return shard.Beat{Outcome: shard.OutcomeFailed, Err: held}
	}}
	if err := l.Run(t.Context()); !errors.Is(err, held) {
		t.Errorf("loop: %v, want the HeldError", err)
	}
}

// A failed heartbeat is one line; one that repeats is told at the 1st, 2nd, 4th,
// 8th ... time, with the age of the last success.
func TestRepeatedFailuresAreToldLessOften(t *testing.T) {
	var log bytes.Buffer
	l := &shard.Loop{Pause: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	runLoop(t, l, &recorder{end: 22, result: func(n int) shard.Beat {
		if n == 1 || n == 22 {
			return shard.Beat{Outcome: shard.OutcomeOK}
		}
		return failed("database")
	}})
	if n := strings.Count(log.String(), "level=WARN"); n != 5 { // 1, 2, 4, 8, 16
		t.Errorf("%d warnings for 20 failures, want 5:\n%s", n, log.String())
	}
	for _, want := range []string{`failures_in_a_row=16 last_success="1`, "heartbeats succeed again", "failed_before=20", "failure=database", "error=broken"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
}
