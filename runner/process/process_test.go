package process

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shardclient/runner/wait"
)

// helperVariable turns the test binary into a program that starts a child and waits to be killed.
const helperVariable = "SHARD_LAB_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		helper()
		return
	}
	goleak.VerifyTestMain(m)
}

// helper prints the process id of its child, and waits.
func helper() {
	child, err := Start(exec.Command("tail", "-f", "/dev/null"), syscall.SIGKILL)
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(child.PID()) + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// shell starts a script and returns its input. It is killed when the test ends first.
func shell(t *testing.T, script string) (p *Process, input io.WriteCloser, output *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	p.patience = wait.Patience
	return p, input, bufio.NewReader(reader)
}

// number reads a line that is one.
func number(t *testing.T, from *bufio.Reader) int {
	t.Helper()
	line, err := from.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestErrSaysHowAChildEnded(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{"exit 0": "", "exit 3": "exit status 3", "kill -9 $$": "signal: killed"} {
		p, _, _ := shell(t, script)
		got := ""
		if err := p.Err(); err != nil {
			got = err.Error()
		}
		if got != want || !p.Ended() {
			t.Errorf("%s: %q, ended: %t; want %q", script, got, p.Ended(), want)
		}
	}
}

func TestStartOfNoProgram(t *testing.T) {
	t.Parallel()
	if p, err := Start(exec.Command("/no/such/program"), syscall.SIGKILL); !errors.Is(err, os.ErrNotExist) || p != nil {
		t.Errorf("%v, %v; want os.ErrNotExist", p, err)
	}
}

func TestSignalAndWait(t *testing.T) {
	t.Parallel()
	p, _, output := shell(t, `trap '' TERM; echo 0; read line`)
	number(t, output) // it ignores SIGTERM from here on
	if p.SignalAndWait(syscall.SIGTERM, time.Millisecond) {
		t.Error("a child that ignores the signal has ended")
	}
	if !p.SignalAndWait(syscall.SIGKILL, wait.Patience) {
		t.Error("a killed child has not ended")
	}
	if !p.SignalAndWait(syscall.SIGTERM, 0) {
		t.Error("one that is gone has not ended")
	}
	p.SignalGroup(syscall.SIGKILL) // of a group that may be somebody else's by now: nothing
	p.Kill()
}

// A context that ends does not end the child: it may finish, in the time that it gets.
func TestWaitAfterItsContext(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	t.Run("the child finishes", func(t *testing.T) {
		p, input, _ := shell(t, "read line; exit 0")
		waited := make(chan error, 1)
		go func() { waited <- p.Wait(ended) }()
		if err := input.Close(); err != nil {
			t.Fatal(err)
		}
		// A Wait that begins when the child is gone has nothing to report.
		if err := wait.For(t, "for Wait", waited); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v, want context.Canceled or nothing", err)
		}
		if err := p.Err(); err != nil && strings.Contains(err.Error(), "signal") {
			t.Errorf("the child did not finish: %v", err)
		}
	})
	t.Run("the child hangs", func(t *testing.T) {
		p, _, _ := shell(t, "read line")
		p.patience = time.Millisecond
		if err := p.Wait(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v, want context.Canceled", err)
		}
		if err := p.Err(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("the child ended with %v, want the kill", err)
		}
	})
	t.Run("the child was first", func(t *testing.T) {
		p, _, _ := shell(t, "exit 5")
		<-p.Done()
		if err := p.Wait(t.Context()); err == nil || err.Error() != "exit status 5" {
			t.Errorf("Wait: %v, want exit status 5", err)
		}
	})
}

// A child has a group of its own, away from a Ctrl-C on our terminal. Its own children are in
// there, and end with it.
func TestSignalGroupReachesGrandchildren(t *testing.T) {
	t.Parallel()
	p, _, output := shell(t, "tail -f /dev/null & echo $!; wait")
	grandchild := number(t, output)
	group, err := syscall.Getpgid(grandchild)
	if err != nil || group != p.PID() || group == syscall.Getpgrp() {
		t.Errorf("the group is %d (%v), want the child's own, %d", group, err, p.PID())
	}
	children, err := Children(p.PID())
	if err != nil || len(children) != 1 || children[0] != grandchild {
		t.Errorf("children %v (%v), want %d", children, err, grandchild)
	}
	if Ended(grandchild) {
		t.Error("the grandchild has ended already")
	}
	p.Kill()
	wait.Until(t, "for the end of the grandchild", func() bool { return Ended(grandchild) })
}
