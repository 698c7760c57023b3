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

// What the server will not have of the connection string is a mistake in the settings, which no
// waiting mends: it is named, with where it is from and what was meant, by every command. What it
// has, known to us or not, passes.
func TestAMisspeltParameterEndsAtOnce(t *testing.T) {
	m, database := master(t, answers(nothing)), pgtest.Database(t)
	for _, tt := range []struct{ parameter, options, want string }{
		{"keepalive=1", "", "--database-url: SHARD_CLIENT_DATABASE_URL: neither libpq nor the server has a parameter keepalive: did you mean keepalives? leave it out"},
		{"sslmod=require", "", "a parameter sslmod: did you mean sslmode?"},
		{"Xyzzy_q=1", "", "a parameter Xyzzy_q: correct its name, or leave it out"},
		{"", "-c work-men=4MB", "a parameter work_men in PGOPTIONS: did you mean work_mem?"},
		{"work_mem=much", "", `invalid value for parameter "work_mem"`},
		{"statement_timeout=soon", "", `invalid value for parameter "statement_timeout"`},
		{"a.b.=1", "", "a.b."},
		{"shared_buffers=1GB", "", `"shared_buffers" cannot be changed`},
	} {
		t.Run(tt.parameter+tt.options, func(t *testing.T) {
			t.Setenv("SHARD_CLIENT_DATABASE_URL", database+"&"+tt.parameter)
			t.Setenv("PGOPTIONS", tt.options)
			for _, command := range []string{"run", "once", "status", "migrate status", "sessions list"} {
				args := append(strings.Fields(command), "--master", m.URL, "--shard-hostname", ourShard)
				if e := invoke(args...).want(t, exitUsage); !strings.Contains(e.stderr, tt.want) {
					t.Errorf("%s: %v, want %q", command, e, tt.want)
				}
			}
			if e := invoke("check", "--master", m.URL, "--shard-hostname", ourShard); !strings.Contains(strings.ReplaceAll(strings.Join(strings.Fields(e.stdout), " "), " -> ", ": "), tt.want) {
				t.Errorf("check: %v, want %q", e, tt.want)
			}
		})
	}
	t.Setenv("SHARD_CLIENT_DATABASE_URL", database+"&application_name=x&search_path=public&statement_timeout=5s&myext.x=1&work_mem=4MB")
	t.Setenv("PGOPTIONS", "-c geqo=off")
	invoke("status").want(t, exitOK)
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
