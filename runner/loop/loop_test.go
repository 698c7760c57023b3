package loop_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/loop"
)

// recorder makes a loop's beats: it notes when each began and returns the result that is prepared.
type recorder struct {
	at     []time.Time
	result func(n int) beat.Report
	end    int // stop after so many beats
	cancel context.CancelFunc
}

func (r *recorder) beat(context.Context) beat.Report {
	r.at = append(r.at, time.Now())
	if len(r.at) == r.end {
		r.cancel()
	}
	if r.result == nil {
		return beat.Report{Outcome: beat.OutcomeOK}
	}
	return r.result(len(r.at))
}

func failed(class string) beat.Report {
	err := errors.New("broken")
	return beat.Report{Outcome: beat.OutcomeFailed, Failure: class, Error: err.Error(), Err: err}
}

// outage is a failure that all shards share.
func outage(int) beat.Report {
	r := failed("transport")
	r.Outage = true
	return r
}

// runLoop runs a loop in a bubble of fake time and returns when its beats began.
func runLoop(t *testing.T, o loop.Options, r *recorder) []time.Duration {
	t.Helper()
	return synctestLoop(t, o, r, func(*loop.Options) {})
}

// synctestLoop runs a loop whose options depend on the fake time.
func synctestLoop(t *testing.T, o loop.Options, r *recorder, change func(*loop.Options)) []time.Duration {
	t.Helper()
	var offsets []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.cancel = cancel
		o.Beat = r.beat
		change(&o)
		l, err := loop.New(o)
		if err != nil {
			t.Fatal(err)
		}
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

// Every beat lies within 10 % of the pause around its own time, and the windows move on by whole
// pauses: shards drift apart, the rate does not.
func TestPauseIsJitteredInWindows(t *testing.T) {
	at := runLoop(t, loop.Options{Pause: time.Minute}, &recorder{end: 1000})
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
		at := runLoop(t, loop.Options{Pause: time.Minute, Splay: time.Minute}, &recorder{end: 1})
		if at[0] < 0 || at[0] > time.Minute {
			t.Fatalf("first beat after %v", at[0])
		}
		early, late = early || at[0] < 20*time.Second, late || at[0] > 40*time.Second
	}
	if !early || !late {
		t.Error("a hundred starts are not spread over a minute")
	}
}

// After an outage shards do not come back in phase; after a failure of its own a shard keeps its
// rhythm.
func TestBeatsAfterAnOutageAreSpread(t *testing.T) {
	spread := func(result func(int) beat.Report) time.Duration {
		var longest time.Duration
		for range 50 {
			at := runLoop(t, loop.Options{Pause: time.Minute, Splay: time.Minute}, &recorder{end: 2, result: result})
			longest = max(longest, at[1]-at[0])
		}
		return longest
	}
	if d := spread(outage); d < 80*time.Second || d > 127*time.Second {
		t.Errorf("after an outage the longest pause of 50 is %v, want one spread over another minute", d)
	}
	if d := spread(func(int) beat.Report { return failed("database") }); d > 73*time.Second {
		t.Errorf("after a failure of our own the pause is %v", d)
	}
}

// A request that was given up still waits in the master's queue.
func TestAfterAnAbandonedRequestThePauseIsLongerByItsTime(t *testing.T) {
	at := runLoop(t, loop.Options{Pause: time.Minute}, &recorder{end: 2, result: func(int) beat.Report {
		r := outage(0)
		r.Abandoned, r.RPCMS = true, float64(time.Hour/time.Millisecond)
		return r
	}})
	if d := at[1] - at[0]; d < time.Hour+54*time.Second || d > time.Hour+66*time.Second {
		t.Errorf("the next beat comes after %v, want an hour and a pause", d)
	}
}

func TestBacklogIsDrainedWithoutTheFullPause(t *testing.T) {
	r := &recorder{end: 4, result: func(n int) beat.Report {
		return beat.Report{Outcome: beat.OutcomeOK, Soon: n < 3}
	}}
	at := runLoop(t, loop.Options{Pause: time.Minute, Drain: time.Second}, r)
	if at[1]-at[0] != time.Second || at[2]-at[1] != time.Second || at[3]-at[2] < 50*time.Second {
		t.Errorf("beats at %v, want two drained after a second each, then the pause", at)
	}
}

// A beat that must not begin ends the loop, in order.
func TestNoBeatThatMustNotBegin(t *testing.T) {
	var r recorder
	asked := 0
	o := loop.Options{Pause: time.Minute, Begins: func(context.Context) bool { asked++; return asked < 3 }}
	if at := runLoop(t, o, &r); len(at) != 2 || asked != 3 {
		t.Errorf("%d beats, asked %d times; want two of three", len(at), asked)
	}
}

// A beat that takes longer than the pause misses windows, and the loop does not make up for them.
func TestMissedWindowsAreNotMadeUpFor(t *testing.T) {
	at := runLoop(t, loop.Options{Pause: time.Minute}, &recorder{end: 3, result: func(n int) beat.Report {
		if n == 1 {
			<-time.After(10 * time.Minute)
		}
		return beat.Report{Outcome: beat.OutcomeOK}
	}})
	if at[2]-at[1] < 48*time.Second {
		t.Errorf("beats at %v: the third follows at once", at)
	}
}

func TestLifetime(t *testing.T) {
	r := &recorder{}
	at := runLoop(t, loop.Options{Pause: time.Minute, Lifetime: 150 * time.Second}, r)
	if len(at) != 3 {
		t.Errorf("%d beats in 150 s with a pause of 60 s, want 3", len(at))
	}
}

// The lifetime counts from the start of the process, and the log tells the setting, not what is
// left.
func TestLifetimeCountsFromTheStartOfTheProcess(t *testing.T) {
	var lines strings.Builder
	at := synctestLoop(t, loop.Options{Pause: time.Minute, Lifetime: 150 * time.Second}, &recorder{}, func(o *loop.Options) {
		o.Began, o.Logger = time.Now().Add(-time.Minute), slog.New(slog.NewTextHandler(&lines, nil))
	})
	if len(at) != 2 || !strings.Contains(lines.String(), "lifetime_ms=150000") {
		t.Errorf("%d beats in the 90 s that are left, want 2; the log:\n%s", len(at), &lines)
	}
}

// A single beat knows nothing of those before it.
func TestTheLineOfASingleBeat(t *testing.T) {
	for outcome, want := range map[string]string{beat.OutcomeOK: "level=INFO msg=heartbeat ", beat.OutcomeFailed: `level=WARN msg="heartbeat failed"`} {
		var line strings.Builder
		loop.Log(slog.New(slog.NewTextHandler(&line, nil)), &beat.Report{Outcome: outcome})
		if !strings.Contains(line.String(), want) || strings.Contains(line.String(), "in_a_row") || strings.Contains(line.String(), "last_success") {
			t.Errorf("%s: %s", outcome, &line)
		}
	}
}

func TestALockHeldByAnotherEndsTheLoop(t *testing.T) {
	held := errors.New("another client holds the lock")
	l, err := loop.New(loop.Options{Pause: time.Minute, Beat: func(context.Context) beat.Report {
		return beat.Report{Outcome: beat.OutcomeFailed, Err: held, Fatal: true}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, held) {
		t.Errorf("loop: %v, want the error of the beat", err)
	}
}

// With a pause of 0 the loop once searched for the next window for ever.
func TestNewRefusesWhatWouldFailLater(t *testing.T) {
	for want, spoil := range map[string]func(*loop.Options){
		"loop: Options.Beat is nil: want ":              func(o *loop.Options) { o.Beat = nil },
		"loop: Options.Pause is 0s: want more than 0":   func(o *loop.Options) { o.Pause = 0 },
		"loop: Options.Pause is -1s: want more than 0":  func(o *loop.Options) { o.Pause = -time.Second },
		"loop: Options.Drain is -1s: want 0 or more":    func(o *loop.Options) { o.Drain = -time.Second },
		"loop: Options.Splay is -1s: want 0 or more":    func(o *loop.Options) { o.Splay = -time.Second },
		"loop: Options.Lifetime is -1s: want 0 or more": func(o *loop.Options) { o.Lifetime = -time.Second },
	} {
		o := loop.Options{Pause: time.Minute, Beat: func(context.Context) beat.Report { return beat.Report{} }}
		spoil(&o)
		if l, err := loop.New(o); l != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A failed heartbeat is one line. A failure that repeats is a warning at the 1st, 2nd, 4th, 8th ...
// time, with the age of the last success.
func TestRepeatedFailuresAreToldLessOften(t *testing.T) {
	var log bytes.Buffer
	o := loop.Options{Pause: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	runLoop(t, o, &recorder{end: 22, result: func(n int) beat.Report {
		if n == 1 || n == 22 {
			return beat.Report{Outcome: beat.OutcomeOK}
		}
		return failed("database")
	}})
	if n := strings.Count(log.String(), "level=WARN"); n != 5 { // 1, 2, 4, 8, 16
		t.Errorf("%d warnings for 20 failures, want 5:\n%s", n, log.String())
	}
	for _, want := range []string{
		`failures_in_a_row=16 last_success="1`, "heartbeats succeed again", "failed_before=20",
		"failure=database", "error=broken",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
}

// Doubling alone would leave a week's outage without a word for hours.
func TestALongOutageIsToldEveryHalfHour(t *testing.T) {
	var log bytes.Buffer
	o := loop.Options{Pause: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	runLoop(t, o, &recorder{end: 24 * 60, result: func(int) beat.Report { return failed("database") }})
	var last time.Time
	told := 0
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "level=WARN") {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		at, err := time.Parse(time.RFC3339, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if !last.IsZero() && at.Sub(last) > 32*time.Minute { // half an hour, and a pause with its jitter
			t.Errorf("nothing is told for %s before %s", at.Sub(last), line)
		}
		last, told = at, told+1
	}
	if told < 48 || told > 60 {
		t.Errorf("%d warnings in a day", told)
	}
}

// After a restart the log goes on where the last process left it, and the first failure is told.
func TestLogGoesOnAfterARestart(t *testing.T) {
	var log bytes.Buffer
	o := loop.Options{Pause: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	r := &recorder{end: 2, result: func(n int) beat.Report {
		if n == 2 {
			return beat.Report{Outcome: beat.OutcomeOK}
		}
		return failed("database")
	}}
	synctestLoop(t, o, r, func(o *loop.Options) {
		o.Past = beat.Past{LastSuccess: time.Now().Add(-time.Hour), Failures: 50}
	})
	for _, want := range []string{"level=WARN", "failures_in_a_row=51", `last_success="1h0m0s ago"`, "next_beat_ms=", "failed_before=51"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
}

// Who looks at a client that waits learns until when, in the splay of a start too.
func TestEveryWaitIsAnnounced(t *testing.T) {
	var log bytes.Buffer
	var announced []time.Time
	o := loop.Options{
		Pause: time.Minute, Splay: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Waits: func(next time.Time) { announced = append(announced, next) },
	}
	r := &recorder{end: 3}
	runLoop(t, o, r)
	for n, at := range r.at {
		if !announced[n].Equal(at) {
			t.Errorf("beat %d at %s, announced %s", n, at, announced[n])
		}
	}
	if !strings.Contains(log.String(), `msg="waiting for the first beat" wait_ms=`) || !strings.Contains(log.String(), "startup_splay_ms=3600000") {
		t.Errorf("the log does not say what it waits for:\n%s", log.String())
	}
}
