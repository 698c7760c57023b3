package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/pgtest"

	"github.com/jackc/pgx/v5/pgxpool"
)

// canary is in oddPassword and in every password of these tests.
var canary = regexp.MustCompile(`(?i)can(ary|%41ry)|Q0FOQVJ`) // also encoded; base64 of what begins with CANARY

func withoutCanary(text string) string { return canary.ReplaceAllString(text, "") }

// listener collects all that shard-client writes: on stdout, on stderr, in log files and in its
// tables.
type listener struct {
	t           *testing.T
	directory   string
	format      string   // of the next start
	environment []string // of what is started as a process, beside our own
	said        bytes.Buffer
}

func newListener(t *testing.T) *listener {
	return &listener{t: t, directory: t.TempDir(), format: "text"}
}

// hears adds the output of a start of shard-client.
func (l *listener) hears(code int, e ended) ended {
	l.t.Helper()
	l.said.WriteString(e.stdout + e.stderr)
	return e.want(l.t, code)
}

// runs runs shard-client as a process to its end. In this process, under the race detector, each
// run would cost three times as much, and its environment would be that of all tests.
func (l *listener) runs(code int, args ...string) {
	l.t.Helper()
	l.hears(code, l.starts(args...).end())
}

// starts starts shard-client as a process, in the environment of the listener.
func (l *listener) starts(args ...string) *process {
	l.t.Helper()
	return startIn(l.t, l.environment, l.talkative(args)...)
}

// beats starts `run` as a process, and stops it once a text is in its log.
func (l *listener) beats(logs string, args ...string) ended {
	l.t.Helper()
	args = append([]string{"run", "--heartbeat-pause=1h"}, args...)
	p := l.starts(args...)
	p.logs(logs)
	return l.hears(exitOK, p.stop())
}

// talkative adds the flags for the most detailed log, in both formats by turns.
func (l *listener) talkative(args []string) []string {
	l.format = map[string]string{"text": "json", "json": "text"}[l.format]
	return append(args, "--log-level=debug", "--log-dir", l.directory, "--log-format", l.format, "--output", l.format)
}

// reads adds the contents of the client's tables, payloads as text.
func (l *listener) reads(pool *pgxpool.Pool) string {
	l.t.Helper()
	rows := pgtest.Query[string](l.t, pool, `SELECT concat(
		(SELECT string_agg(to_json(h)::text, E'\n') FROM shard_client_heartbeats AS h),
		(SELECT string_agg(to_json(q)::text || convert_from(q.payload, 'UTF8'), E'\n') FROM shard_client_quarantine AS q),
		(SELECT string_agg(to_json(s)::text, E'\n') FROM shard_client_suspects AS s),
		(SELECT string_agg(to_json(o)::text, E'\n') FROM shard_client_owner AS o))`)
	l.said.WriteString(rows)
	return rows
}

// heardNothing fails the test when a secret was written anywhere.
func (l *listener) heardNothing() {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.directory, "*"))
	if err != nil || len(files) == 0 {
		l.t.Fatalf("%d log files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		l.said.Write(text)
	}
	for line := range strings.Lines(l.said.String()) {
		if canary.MatchString(line) {
			l.t.Errorf("a secret is shown: %s", line)
		}
	}
}
