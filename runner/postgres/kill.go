package postgres

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"shardclient/runner/process"
)

// ErrRunning is the error of [Server.Restart] for a server that was not killed before.
var ErrRunning = errors.New("the server is running: kill it first")

// Kill ends the server as a crash of its machine would: all its processes stop where they are,
// nothing is flushed and no client is told. Data directory, socket and port stay for
// [Server.Restart]. Kill returns when the last process is gone, even when it is called again. When
// the server had ended on its own before, the error is a [*ServerExitedError].
func (s *Server) Kill() error {
	if err := s.kill(); err != nil {
		return fmt.Errorf("kill private PostgreSQL: %w", err)
	}
	return nil
}

func (s *Server) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed {
		return nil
	}
	if s.server.Ended() {
		return &ServerExitedError{Err: s.server.Err(), Log: s.endOfLog()}
	}
	// Each child has a session of its own, so a signal to the group does not reach it, and it would
	// finish its statement even without the postmaster. The postmaster is stopped first: it then
	// starts no more children and reaps none, so the ids that we read stay theirs.
	if err := syscall.Kill(s.server.PID(), syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", s.server.PID(), err)
	}
	children, err := process.Children(s.server.PID())
	if err != nil {
		return errors.Join(err, syscall.Kill(s.server.PID(), syscall.SIGCONT))
	}
	s.killed = true
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // fails when it has ended meanwhile, as wanted
	}
	if !s.server.SignalAndWait(syscall.SIGKILL, killStop) {
		return fmt.Errorf("process %d does not end", s.server.PID())
	}
	return waitForEnd(children)
}

// waitForEnd waits for processes that are not our own children: their parent has died.
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

// Restart starts the server again after [Server.Kill], with the same data and at the same port, and
// returns when it has recovered and answers. The context bounds the start only. The error is
// [ErrRunning] when the server was not killed. After any other error the server is as Kill left it.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	killed := s.killed
	s.mu.Unlock()
	if !killed {
		return fmt.Errorf("restart private PostgreSQL: %w", ErrRunning)
	}
	if err := s.launchServer(ctx); err != nil {
		s.mu.Lock()
		s.killed = true
		s.mu.Unlock()
		return fmt.Errorf("restart private PostgreSQL: %w", err)
	}
	s.options.Logger.Info("private PostgreSQL restarted", "pid", s.PID(), "data_directory", s.DataDir())
	return nil
}
