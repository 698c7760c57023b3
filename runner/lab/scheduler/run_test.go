package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"shardclient/gen/labdb"
	"shardclient/runner/lab/scheduler"
)

// away is a database that does not answer, and notes when it was asked.
type away struct {
	labdb.DBTX
	began time.Time
	asked []time.Duration
}

func (a *away) Query(context.Context, string, ...any) (pgx.Rows, error) {
	a.asked = append(a.asked, time.Since(a.began))
	return nil, errors.New("connection refused")
}

// While the database is away, pauses grow and the log does not.
func TestRunWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		db := &away{began: time.Now()}
		start(t, db, scheduler.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}).Run(ctx)
		if ended := time.Since(db.began); ended != time.Minute {
			t.Errorf("Run ended after %s, want at once when told", ended)
		}
		const ms = time.Millisecond
		want := []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 11300 * ms, 16300 * ms}
		if diff := cmp.Diff(want, db.asked[:min(len(want), len(db.asked))]); diff != "" {
			t.Errorf("asked the database at (-want +got):\n%s", diff)
		}
		// The 1st, 2nd, 4th, 8th and 16th failure.
		if lines := strings.Count(log.String(), "turn failed"); lines != 5 || strings.Count(log.String(), "\n") != lines {
			t.Errorf("%d warnings for %d failures in:\n%s", lines, len(db.asked), &log)
		}
	})
}

// A turn that has begun is finished when Run is told to stop, and Run tells what was done, once.
func TestRunFinishesItsTurn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := newDesk(t, oneHost+jobSQL(7, 1, 0))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	queries := 0
	db := &hooked{DBTX: d.schedules, before: func(string) error {
		switch queries++; queries {
		case 1:
			return errors.New("not yet")
		case 3:
			stop()
		}
		return nil
	}}
	start(t, db, scheduler.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}).Run(ctx)
	if diff := cmp.Diff("entry 701: active=true", last(d.written())); diff != "" {
		t.Errorf("the last statement (-want +got):\n%s", diff)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i, want := range []string{"turn failed", "turns succeed again", "msg=scheduled turns=1 statements=6 assigned=1 "} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d of the log is not %q:\n%s", i, want, &log)
		}
	}
}

func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// What could not work is refused before the first turn.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		db   labdb.DBTX
		o    scheduler.Options
		want string
	}{
		{nil, scheduler.Options{}, "scheduler: db is nil: "},
		{&away{}, scheduler.Options{FailShare: 7}, "scheduler: Options.FailShare is 7: want "},
		{&away{}, scheduler.Options{FailShare: -0.1}, "scheduler: Options.FailShare is -0.1: want "},
		{&away{}, scheduler.Options{FailShare: math.NaN()}, "scheduler: Options.FailShare is NaN: want "},
	} {
		if s, err := scheduler.New(c.db, c.o); s != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
