package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

const refusesUs = "wait for the database, which refuses this client"

// A setting that can never work is told apart from a database that is down, in the log and by
// /healthz, and mending it is noticed.
func TestSettingThatNeverWorksIsToldWhileRunWaits(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	locked := securedDatabase(t, "right")
	for name, tt := range map[string]struct {
		url  string
		hint string
		mend func()
	}{
		"password": {locked.url("wrong"), "the password", func() { locked.setPassword("wrong") }},
		"database": {edit(t, pgtest.Database(t), func(u *url.URL) { u.Path = "/none_such" }), "name of the database", nil},
		"role":     {pgtest.Database(t) + "&user=nobody_here", "the user", nil},
		"setting":  {pgtest.Database(t) + "&work_mem=much", "the settings", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startRun(t, m, tt.url, "--listen=127.0.0.1:0")
			s := see(t, &p.stderr)
			wait.Until(t, "for /healthz to say so", func() bool { return s.healthy().Doing == refusesUs })
			// The log is written beside the beats, so it may be a moment behind.
			wait.Until(t, "for the log to say so", func() bool { return strings.Contains(p.stderr.String(), "the database refuses this client") })
			said := p.stderr.String()
			if !strings.Contains(said, tt.hint) || strings.Contains(said, "waiting for the database") {
				t.Errorf("want a refusal with %q as what to do, got %s", tt.hint, said)
			}
			if tt.mend == nil {
				p.stop()
				return
			}
			tt.mend()
			p.end().want(t, exitSchema) // it was reached, and has no tables
		})
	}
}

// The change from an outage to a refusal, and back, is told when it happens: how many tries were
// silent before does not matter. What is told in any case is told once.
func TestTheChangeToARefusalIsToldAtOnce(t *testing.T) {
	t.Parallel()
	health, err := ops.NewHealth(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p := &program{log: slog.New(slog.NewTextHandler(&log, nil)), secrets: (&config.Config{}).Secrets(nil)}
	down := errors.New("connection refused")
	wrong := fmt.Errorf("connect: %w", &pgconn.PgError{Code: "28P01"})
	var answer error
	w := &waiting{p: p, health: health, client: &client{direct: func(context.Context) error { return answer }}}
	for i, tt := range []struct {
		err  error
		told bool // by Until, too
		want string
	}{
		{down, true, "waiting for"}, {down, false, ""}, {down, false, ""}, {wrong, true, "refuses"}, {wrong, false, ""},
		{down, false, "waiting for"}, {wrong, false, "refuses"},
	} {
		log.Reset()
		answer = tt.err
		if final, err := w.try(t.Context()); final || !errors.Is(err, tt.err) {
			t.Fatalf("try %d: final %t, %v", i+1, final, err)
		}
		if tt.told {
			w.tell(answer, i+1)
		}
		if got := log.String(); strings.Count(got, "\n") != min(len(tt.want), 1) || !strings.Contains(got, tt.want) {
			t.Errorf("try %d says %q, want one line with %q", i+1, got, tt.want)
		}
	}
}
