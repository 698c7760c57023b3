package postgres

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"shardclient/runner/process"
)

// ErrRunning says that a server that is to be started again has not ended.
var ErrRunning = errors.New("the server is running: kill it first")

// Kill ends the server as a crash of its machine would: no process of it does anything any more, nothing is flushed and
// nobody is told. Data directory, socket and port stay for Restart. It returns when the last process is gone, also when
// called again. A server that had ended on its own before is a *ServerExitedError.
func (p *Server) Kill() error {
	if err := p.kill(); err != nil {
		return fmt.Errorf("kill private PostgreSQL: %w", err)
	}
	return nil
}

func (p *Server) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return nil
	}
	if p.server.Ended() {
		return &ServerExitedError{Err: p.server.Err(), Log: p.endOfLog()}
	}
	// Each child has a session of its own, out of reach of a signal to the group, and finishes its statement although the
	// postmaster is gone. A stopped postmaster starts no further ones and reaps none, so that no id is another's meanwhile.
	if err := syscall.Kill(p.server.PID(), syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", p.server.PID(), err)
	}
	children, err := process.Children(p.server.PID())
	if err != nil {
		return errors.Join(err, syscall.Kill(p.server.PID(), syscall.SIGCONT))
	}
	p.killed = true
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // one that has ended meanwhile is what was wanted
	}
	if !p.server.SignalAndWait(syscall.SIGKILL, killStop) {
		return fmt.Errorf("process %d does not end", p.server.PID())
	}
	return waitForEnd(children)
}

// waitForEnd waits for processes that are no children of ours any more.
func waitForEnd(pids []int) error {
	deadline := time.NewTimer(killStop)
	defer deadline.Stop()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for _, pid := range pids {
		for !process.Ended(pid) {
			select {
			case <-deadline.C:
				return fmt.Errorf("process %d does not end, even when killed", pid)
			case <-poll.C:
			}
		}
	}
	return nil
}

// Restart starts the server again after Kill, over the same data and at the same port, and returns when it has recovered
// and answers. The context bounds the start only. A server that runs is ErrRunning. After an error the server is as it
// was after Kill.
func (p *Server) Restart(ctx context.Context) error {
	p.mu.Lock()
	killed := p.killed
	p.mu.Unlock()
	if !killed {
		return fmt.Errorf("restart private PostgreSQL: %w", ErrRunning)
	}
	if err := p.launchServer(ctx); err != nil {
		p.mu.Lock()
		p.killed = true
		p.mu.Unlock()
		return fmt.Errorf("restart private PostgreSQL: %w", err)
	}
	p.options.Logger.Info("private PostgreSQL restarted", "pid", p.PID(), "data_directory", p.DataDir())
	return nil
}
