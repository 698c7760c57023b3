// Package process runs child processes that end with this process, even when this one is killed.
//
// It owns how a child is started, signalled and waited for, not what the child does. [Start] runs
// any command; a [Program] is one with a log, which can be started again. The lab and the tests use
// this package; shard-client itself starts no processes.
//
// # What ends a child
//
// On Linux the kernel signals the child when this process ends, however it ends. Elsewhere only an
// orderly end reaches it. Each child has a process group of its own, so that a Ctrl-C on the
// terminal does not reach it: whoever started the child stops it.
package process

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// killPatience is how long a child may take to finish after its context has ended. initdb takes a
// second, and was seen to take more than five on a busy machine.
const killPatience = 30 * time.Second

// Process is a child that ends with this process.
type Process struct {
	cmd      *exec.Cmd
	patience time.Duration // killPatience, but for tests
	done     chan struct{}
	err      error // how it ended; valid once done is closed
}

// Start starts cmd in a process group of its own, so that a Ctrl-C on the terminal does not reach
// it: whoever started the child stops it. On Linux, the kernel sends it the given signal if this
// process ends first. A credential in cmd.SysProcAttr is kept.
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

// hold starts the child and keeps the starting thread until the child has ended: Linux sends the
// parent-death signal when that *thread* ends, and Go ends threads as it likes.
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

// Done returns a channel that is closed once the child has ended and has been waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended: nil after exit status 0, otherwise an *exec.ExitError. It waits
// for the end.
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

// SignalAndWait signals the child and reports whether it ended within the timeout. Signalling a
// child that is gone does nothing.
func (p *Process) SignalAndWait(signal os.Signal, timeout time.Duration) bool {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return true
	case <-time.After(timeout):
		return p.Ended()
	}
}

// Wait waits for a short-lived child and returns how it ended. When the context ends first, Wait
// returns the context's error, but gives the child a moment to finish before killing it: a
// PostgreSQL program that is killed leaves its shared memory behind.
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

// SignalGroup signals the child and its own children, unless the child has ended.
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
