package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a child that ends with this process, even when this one is killed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; valid once done is closed
}

// startProcess starts cmd as the given account, with its output going to a file.
func startProcess(cmd *exec.Cmd, runAs account, output *os.File) (*process, error) {
	cmd.Env = serverEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = boundToParent(runAs, syscall.SIGQUIT) // PostgreSQL's immediate shutdown
	p, err := held(cmd)
	if err != nil {
		return nil, fmt.Errorf("run %s as %s: %w", cmd.Path, runAs.name, err)
	}
	return p, nil
}

// held starts cmd, which is bound to this process.
func held(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.hold(started)
	return p, <-started
}

// hold starts the child and keeps the thread that did so until the child has ended: Linux sends the parent-death signal
// when the starting *thread* ends, and Go ends threads as it likes.
func (p *process) hold(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ended says whether the child is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signalAndWait reports whether the child ended in time. Signalling a child that is gone does nothing.
func (p *process) signalAndWait(signal os.Signal, timeout time.Duration) bool {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// wait returns how a short-lived child ended. When the context ends first the child still gets a moment to finish: a
// PostgreSQL program that is ended in the middle leaves its shared memory behind.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	select {
	case <-p.done:
	case <-time.After(killStop):
		p.signalGroup(syscall.SIGKILL)
		<-p.done
	}
	return ctx.Err()
}

// signalGroup reaches the child and the children of that.
func (p *process) signalGroup(signal syscall.Signal) {
	if !p.ended() {
		_ = syscall.Kill(-p.pid(), signal)
	}
}

// serverEnvironment drops what would steer initdb or postgres from outside (PGDATA, PGPORT, a locale) and makes the
// messages in the log English.
func serverEnvironment(inherited []string) []string {
	var kept []string
	for _, entry := range inherited {
		foreign := strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
		if !foreign {
			kept = append(kept, entry)
		}
	}
	return append(kept, "LC_ALL=C", "TZ=UTC")
}
