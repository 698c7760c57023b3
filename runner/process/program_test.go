package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/wait"
)

// program is a script with a log.
func program(t *testing.T, script string) *Program {
	t.Helper()
	p := &Program{Name: "a program", LogDir: t.TempDir(), Command: func() *exec.Cmd { return exec.Command("sh", "-c", script) }}
	t.Cleanup(func() { p.Stop(0) })
	return p
}

// log is what the program has said.
func (p *Program) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.LogDir, "a-program.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What a program says after another start goes behind what it said before.
func TestProgramIsStartedAgain(t *testing.T) {
	t.Parallel()
	p := program(t, "echo out; echo err >&2; exec tail -f /dev/null")
	said := ""
	for range 2 {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		said += "out\nerr\n"
		wait.Until(t, "for what it says", func() bool { return p.log(t) == said }, func() string { return p.log(t) })
		pid := p.PID()
		p.Kill()
		if !Ended(pid) {
			t.Errorf("process %d survived Kill", pid)
		}
	}
}

func TestProgramStops(t *testing.T) {
	t.Parallel()
	never := program(t, "exit 1")
	never.Stop(time.Hour) // it was never started
	p := program(t, "trap 'echo bye; exit' TERM; echo ready; while :; do read line; done")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "for a program that is ready", func() bool { return p.log(t) == "ready\n" })
	p.Stop(wait.Patience)
	if !p.running.Ended() || p.log(t) != "ready\nbye\n" {
		t.Errorf("ended: %t; it said %q", p.running.Ended(), p.log(t))
	}
	stubborn := program(t, "trap '' TERM; echo ready; exec tail -f /dev/null")
	if err := stubborn.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "for a program that is ready", func() bool { return stubborn.log(t) == "ready\n" })
	stubborn.Stop(0)
	if err := stubborn.running.Err(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v, want the kill", err)
	}
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	p := program(t, "echo http://here; echo logged >&2; exec tail -f /dev/null")
	line, err := p.Greeting()
	if err != nil || line != "http://here" {
		t.Errorf("greeting %q, %v", line, err)
	}
	wait.Until(t, "for the log, without the greeting", func() bool { return p.log(t) == "logged\n" })
	for script, want := range map[string]string{
		"echo no luck >&2; exit 1": "start a program: it ended before it was ready; it said: no luck",
		"exit 0":                   "it ended before it was ready",
	} {
		if _, err := program(t, script).Greeting(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", script, err, want)
		}
	}
}

func TestProgramThatCannotStart(t *testing.T) {
	t.Parallel()
	p := program(t, "")
	p.Command = func() *exec.Cmd { return exec.Command("/no/such/program") }
	if err := p.Start(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "start a program: ") {
		t.Errorf("%v, want os.ErrNotExist and the name", err)
	}
	p.LogDir = "/no/such/directory"
	if _, err := p.Greeting(); err == nil || !strings.Contains(err.Error(), "open its log") {
		t.Errorf("%v, want what was not possible", err)
	}
}

func TestEnvironmentHasNoSettingOfThisMachine(t *testing.T) {
	t.Parallel()
	got := Environment([]string{"PATH=/bin", "SHARD_CLIENT_MASTER=x", "PGHOST=y", "AUTOTEST_DIR=z", "SHARD_LAB_DATABASE_URL=u", "SHARD_LAB_PG_BIN=b"})
	if want := []string{"PATH=/bin", "SHARD_LAB_PG_BIN=b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEndOfALog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", logTail)+"the end"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := EndOf(path); len(got) != logTail || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := EndOf(path + "x"); !strings.Contains(got, "no such file") {
		t.Errorf("%q of a log that is not there", got)
	}
}
