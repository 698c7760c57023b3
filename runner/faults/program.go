package faults

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shardclient/runner/process"
)

// Patience is how long a test waits for an event before it fails. It is generous because the
// machine may be busy; no test waits for all of it in order to pass.
const Patience = 30 * time.Second

// M is the part of [*testing.M] that a TestMain needs.
type M interface{ Run() int }

// WithBinary is for TestMain: its Run removes the program that the tests have built.
func WithBinary(m M) M { return built{m} }

type built struct{ tests M }

func (b built) Run() int {
	defer func() { _ = os.RemoveAll(binaryDir) }()
	return b.tests.Run()
}

var (
	binary    = sync.OnceValues(buildBinary)
	binaryDir string
)

// Binary returns the path of the real shard-client, which can be signalled and killed. It is built
// once for all tests of a package; [WithBinary] in TestMain removes it.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func buildBinary() (path string, err error) {
	if binaryDir, err = os.MkdirTemp("", "shard-client-faults-"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "shard-client")
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.version=test",
		"-o", path, "shardclient/runner/cmd/shard-client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New("go build: " + err.Error() + "\n" + string(out))
	}
	return path, nil
}

// Program is a shard-client that was started.
type Program struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  output
	done chan struct{}
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
// --database-url. The program is killed at the end of the test if it still runs.
func (l *Lab) Start(s *Shard, command string, flags ...string) *Program {
	l.t.Helper()
	args := append([]string{command, "--shard-hostname=" + s.Hostname, "--user=" + Login}, flags...)
	p := &Program{t: l.t, cmd: exec.Command(Binary(l.t), args...), done: make(chan struct{})}
	p.cmd.Env = append(process.Environment(os.Environ()),
		"SHARD_CLIENT_MASTER="+l.URL(),
		"SHARD_CLIENT_DATABASE_URL="+s.DatabaseURL,
		"SHARD_CLIENT_STARTUP_SPLAY=0",
		"SHARD_CLIENT_HEARTBEAT_PAUSE=50ms",
		"SHARD_CLIENT_DRAIN_PAUSE=10ms",
		"SHARD_CLIENT_RPC_TIMEOUT=5s",
		"SHARD_CLIENT_STOP_TIMEOUT=1s",
	)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // End returns the exit code
	}()
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
	Eventually(p.t, text+" in the log of shard-client", func() bool { return strings.Contains(p.Log(), text) })
}

// Signal sends a signal. It does nothing to a program that has ended.
func (p *Program) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the program as a power cut would, and waits until it is gone.
func (p *Program) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Done returns a channel that is closed when the program has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// End waits for the end and returns the exit code, or -1 when a signal ended the program.
func (p *Program) End() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("shard-client does not end; it said:\n%s", p.Log())
	}
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

// Eventually calls so until it returns true, and fails the test when that takes longer than
// [Patience].
func Eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-poll.C:
		}
	}
}
