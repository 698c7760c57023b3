package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/postgres"
	"shardclient/runner/wait"
)

func TestMain(m *testing.M) {
	if err := postgres.ForgetLibpqSettings(); err != nil {
		panic(err)
	}
	// What steers a shard on this machine must not reach the demo.
	for _, name := range []string{"SHARD_CLIENT_PROTOCOL", "SHARD_LAB_DATABASE_URL"} {
		if err := os.Setenv(name, "nonsense"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(binaries.WithBinaries(m))
}

// small is a play of some seconds, with every scene in it.
var small = size{boardHosts: 4, suites: 3, children: 10, aborted: 3, masterAway: outage, perform: wait.Patience, atEnd: wait.Patience}

// spectator leaves once something was said, a regular expression; "": never.
type spectator struct {
	bytes.Buffer
	at    string
	leave context.CancelFunc
}

func (s *spectator) Write(p []byte) (int, error) {
	if s.at != "" && regexp.MustCompile(s.at).Match(p) {
		s.leave()
	}
	return s.Buffer.Write(p)
}

// playOf runs a demo, until something is said, and returns what it printed, and the last line of
// that.
func playOf(t *testing.T, d Demo, until string) (text, last string, err error) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	out := &spectator{at: until, leave: leave}
	d.Out, d.logs = out, t.TempDir()
	err = d.Run(ctx)
	text = out.String()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 && !strings.Contains(line, "logs are in") {
			t.Errorf("wider than 80 columns: %s", line)
		}
		if logs, kept := strings.CutPrefix(line, "the programs' logs are in "); kept {
			removeLogs(t, logs)
		}
	}
	return text, lines[len(lines)-1], err
}

// removeLogs removes the logs that a demo has kept, which are there for people.
func removeLogs(t *testing.T, directory string) {
	t.Helper()
	if _, err := os.Stat(directory); err != nil {
		t.Errorf("a directory of logs is named and not there: %v", err)
	}
	if err := os.RemoveAll(directory); err != nil {
		t.Error(err)
	}
}

func TestDemo(t *testing.T) {
	client, shardLab := binaries.ShardClient(t), binaries.ShardLab(t)
	t.Run("both sides agree", func(t *testing.T) {
		t.Parallel()
		text, last, err := playOf(t, Demo{Client: client, Lab: shardLab, Seed: 1, size: small}, "")
		if err != nil || !strings.Contains(last, " 0 lost, 0 duplicated:") || !strings.HasPrefix(last, "demo: 30 jobs, ") || !strings.HasSuffix(last, ": both sides agree") {
			t.Errorf("error %v, last line %q\n%s", err, last, text)
		}
		for _, scene := range []string{
			" aborted by somebody: done after", "shard2: shard-client killed (SIGKILL): healed after", "host chromeos1-eve-host1: from shard1 to shard3: done after",
			"master killed (SIGKILL): healed after", "shard1: connections to PostgreSQL cut: healed after", "\n2 changes made, 2 done. 3 faults struck, 3 healed.\n",
		} {
			if !strings.Contains(text, scene) {
				t.Errorf("not told: %s\n%s", scene, text)
			}
		}
	})
	// A client that never beats: nothing arrives, and the verdict says so.
	t.Run("a client that does nothing", func(t *testing.T) {
		t.Parallel()
		idle := filepath.Join(t.TempDir(), "shard-client")
		syscall.ForkLock.RLock() // a child would hold it open for writing, and such a file cannot be run
		err := os.WriteFile(idle, []byte("#!/bin/sh\nexec tail -f /dev/null\n"), 0o755)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
		hurried := small
		hurried.atEnd = 2 * time.Second
		text, last, err := playOf(t, Demo{Client: idle, Lab: shardLab, Watch: true, size: hurried}, "[1-9] jobs: ")
		if !errors.Is(err, ErrFailed) || !strings.HasSuffix(last, ": FAILED (see above)") ||
			!regexp.MustCompile(`(?m)^0 jobs finished on the shards, 0 are known to the master;\n\d suites? open, `).MatchString(text) {
			t.Errorf("error %v, last line %q\n%s", err, last, text)
		}
	})
	t.Run("a master that does not start", func(t *testing.T) {
		t.Parallel()
		text, last, err := playOf(t, Demo{Client: client, Lab: "/bin/false", size: small}, "")
		if !errors.Is(err, ErrFailed) || !strings.HasPrefix(last, "demo: FAILED: it could not go on") || !strings.Contains(text, "start master: it ended before it was ready") {
			t.Errorf("error %v\n%s", err, text)
		}
	})
	t.Run("stopped in the middle", func(t *testing.T) {
		t.Parallel()
		text, last, err := playOf(t, Demo{Client: client, Lab: shardLab, size: fullSize}, "aborted by somebody")
		if !errors.Is(err, context.Canceled) || !regexp.MustCompile(`^demo: stopped after \d+:\d\d, before both sides were at rest$`).MatchString(last) {
			t.Errorf("error %v, last line %q\n%s", err, last, text)
		}
		if strings.Contains(text, "logs are in") {
			t.Errorf("logs are kept for somebody who has stopped it:\n%s", text)
		}
	})
	t.Run("watched until somebody has seen enough", func(t *testing.T) {
		t.Parallel()
		text, last, err := playOf(t, Demo{Client: client, Lab: shardLab, Watch: true, size: small}, "master killed")
		if err != nil || !strings.HasSuffix(last, ": both sides agree") {
			t.Errorf("error %v, last line %q\n%s", err, last, text)
		}
	})
}
