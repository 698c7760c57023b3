package faults

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/process"
	"shardclient/runner/wait"
)

// M is what is needed of *testing.M.
type M interface{ Run() int }

// WithBinary is binaries.WithBinaries.
func WithBinary(m M) M { return binaries.WithBinaries(m) }

// Binary is binaries.ShardClient.
func Binary(t testing.TB) string { t.Helper(); return binaries.ShardClient(t) }

// Program is a shard-client that was started.
type Program struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  output
	done chan struct{}
}

// output is read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts the real shard-client of a shard: "run" or "once" with more flags. What is given last counts: a test puts
// its own --master or --database-url there. Its time-outs are longer than any machine needs, so that only faults fail beats;
// a test whose fault is a time-out gives a short one. It is killed when the test ends first.
func (l *Lab) Start(s *Shard, command string, flags ...string) *Program {
	l.t.Helper()
	args := append([]string{command, "--shard-hostname=" + s.Hostname, "--user=" + Login}, flags...)
	p := &Program{t: l.t, cmd: exec.Command(binaries.ShardClient(l.t), args...), done: make(chan struct{})}
	p.cmd.Env = append(process.Environment(os.Environ()),
		"SHARD_CLIENT_MASTER="+l.URL(), "SHARD_CLIENT_DATABASE_URL="+s.DatabaseURL, "SHARD_CLIENT_STARTUP_SPLAY=0",
		"SHARD_CLIENT_HEARTBEAT_PAUSE=50ms", "SHARD_CLIENT_DRAIN_PAUSE=10ms", "SHARD_CLIENT_RPC_TIMEOUT=10m", "SHARD_CLIENT_STOP_TIMEOUT=10m")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code tells
	}()
	l.t.Cleanup(func() {
		p.Kill()
		if l.t.Failed() {
			l.t.Logf("shard-client %q said:\n%s", args, p.Log())
		}
	})
	return p
}

// Log is what it has said so far, stdout and stderr.
func (p *Program) Log() string { return p.log.String() }

// Says waits for a text in the log.
func (p *Program) Says(text string) {
	p.t.Helper()
	wait.Until(p.t, text+" in the log of shard-client", func() bool { return strings.Contains(p.Log(), text) }, p.Log)
}

// Signal sends a signal to a program that may have ended.
func (p *Program) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends it as a power cut would, and waits until it is gone.
func (p *Program) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Ended reports whether it has ended.
func (p *Program) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when it has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// End waits for the end and returns the exit code; -1: a signal ended it.
func (p *Program) End() int {
	p.t.Helper()
	wait.For(p.t, "for the end of shard-client", p.done, p.Log)
	return p.cmd.ProcessState.ExitCode()
}

// Stop asks it to end in order, and fails the test when it does not.
func (p *Program) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.End(); code != 0 {
		p.t.Fatalf("shard-client ended with %d after SIGTERM; it said:\n%s", code, p.Log())
	}
}
