// Package process runs children that end with this process, even when this one is killed.
//
// It owns how a child is started, signalled and waited for, and nothing of what the child does. The laboratory and the
// tests use it; shard-client starts nobody.
package process

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// killPatience is the moment that a short-lived child gets to finish once nobody waits for its result.
const killPatience = 5 * time.Second

// Process is a child that ends with this process.
type Process struct {
	cmd      *exec.Cmd
	patience time.Duration // killPatience, but for tests
	done     chan struct{}
	err      error // how it ended; valid once done is closed
}

// Start starts cmd in a process group of its own, which keeps a Ctrl-C on the terminal away from it: whoever started the
// child stops it. The kernel sends it the given signal when this process ends without having done so (Linux only). A
// credential in cmd.SysProcAttr is kept.
func Start(cmd *exec.Cmd, whenWeEnd syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	bind(cmd.SysProcAttr, whenWeEnd)
	p := &Process{cmd: cmd, patience: killPatience, done: make(chan struct{})}
	started := make(chan error)
	go p.hold(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// hold starts the child and keeps the thread that did so until the child has ended: Linux sends the parent-death signal
// when the starting *thread* ends, and Go ends threads as it likes.
func (p *Process) hold(started chan<- error) {
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

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and was waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended: nil after exit status 0, otherwise an *exec.ExitError. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Ended reports whether the child is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// SignalAndWait reports whether the child ended in time. Signalling a child that is gone does nothing.
func (p *Process) SignalAndWait(signal os.Signal, timeout time.Duration) bool {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return true
	case <-time.After(timeout):
		return p.Ended()
	}
}

// Wait returns how a short-lived child ended. When the context ends first, the child still gets a moment to finish: a
// PostgreSQL program that is ended in the middle leaves its shared memory behind.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	select {
	case <-p.done:
	case <-time.After(p.patience):
		p.Kill()
	}
	return ctx.Err()
}

// SignalGroup reaches the child and the children of that, unless the child has ended.
func (p *Process) SignalGroup(signal syscall.Signal) {
	if !p.Ended() {
		_ = syscall.Kill(-p.PID(), signal)
	}
}

// Kill ends the child and its group as a power cut would, and returns when the child is gone.
func (p *Process) Kill() {
	p.SignalGroup(syscall.SIGKILL)
	<-p.done
}
