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

// Program is a shard-client that was started. Its Kill ends it as a power cut would.
type Program struct {
	*process.Process
	t   testing.TB
	cmd *exec.Cmd
	log output
}

// output may be read while it is written.
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

// Start starts the real shard-client of a shard with a command, "run" or "once", and more flags. Of
// a flag that is given twice the last one counts, so a test may give its own --master or
// --database-url. Its time-outs are longer than any machine needs, so that only faults fail beats;
// a test whose fault is a time-out gives a short one. The program is killed at the end of the test
// if it still runs.
func (l *Lab) Start(s *Shard, command string, flags ...string) *Program {
	l.t.Helper()
	args := append([]string{command, "--shard-hostname=" + s.Hostname, "--user=" + Login}, flags...)
	p := &Program{t: l.t, cmd: exec.Command(binaries.ShardClient(l.t), args...)}
	p.cmd.Env = append(process.Environment(os.Environ()),
		"SHARD_CLIENT_MASTER="+l.URL(),
		"SHARD_CLIENT_DATABASE_URL="+s.DatabaseURL,
		"SHARD_CLIENT_STARTUP_SPLAY=0",
		"SHARD_CLIENT_HEARTBEAT_PAUSE=50ms",
		"SHARD_CLIENT_DRAIN_PAUSE=10ms",
		"SHARD_CLIENT_RPC_TIMEOUT=10m",
		"SHARD_CLIENT_STOP_TIMEOUT=10m",
	)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	var err error
	if p.Process, err = process.Start(p.cmd, syscall.SIGKILL); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		p.Kill()
		if l.t.Failed() {
			l.t.Logf("shard-client %q said:\n%s", args, p.Log())
		}
	})
	return p
}

// Log returns what the program has printed so far, stdout and stderr together.
func (p *Program) Log() string { return p.log.String() }

// Says waits until the log contains a text.
func (p *Program) Says(text string) {
	p.t.Helper()
	wait.Until(p.t, text+" in the log of shard-client", func() bool { return strings.Contains(p.Log(), text) }, p.Log)
}

// Signal sends a signal. It does nothing to a program that has ended.
func (p *Program) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// End waits for the end and returns the exit code, or -1 when a signal ended the program.
func (p *Program) End() int {
	p.t.Helper()
	wait.For(p.t, "for the end of shard-client", p.Done(), p.Log)
	return p.cmd.ProcessState.ExitCode()
}

// Stop asks the program to end, and fails the test unless it does so with exit code 0.
func (p *Program) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.End(); code != 0 {
		p.t.Fatalf("shard-client ended with %d after SIGTERM; it said:\n%s", code, p.Log())
	}
}
