package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// process is a running shard-client.
type process struct {
	*exec.Cmd
	t              testing.TB
	began          time.Time
	stdout, stderr output
	done           chan struct{}
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

// start starts the binary, and kills it if it still runs at the end of the test.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startIn(t, nil, args...)
}

// startIn adds to the binary's environment. It leaves that of the test process alone, so that tests
// may run side by side.
func startIn(t testing.TB, environment []string, args ...string) *process {
	t.Helper()
	p := prepare(t, args)
	p.Env = append(os.Environ(), environment...)
	return p.launch()
}

// startTo gives the binary another stderr.
func startTo(t testing.TB, stderr *os.File, args ...string) *process {
	t.Helper()
	p := prepare(t, args)
	p.Stderr = stderr
	return p.launch()
}

func prepare(t testing.TB, args []string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binaries.ShardClient(t), args...), t: t, began: time.Now(), done: make(chan struct{})}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *process) launch() *process {
	t := p.t
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.Wait() // the exit code is read instead
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("stderr of %q:\n%s", p.Args[1:], p.stderr.String())
		}
	})
	return p
}

// startRun starts `run`, which beats at once and then often.
func startRun(t testing.TB, master *fakeMaster, databaseURL string, more ...string) *process {
	t.Helper()
	return start(t, runProcessArgs(master, databaseURL, more)...)
}

// startRunIn is startRun with an addition to the environment.
func startRunIn(t testing.TB, environment []string, master *fakeMaster, databaseURL string, more ...string) *process {
	t.Helper()
	return startIn(t, environment, runProcessArgs(master, databaseURL, more)...)
}

func runProcessArgs(master *fakeMaster, databaseURL string, more []string) []string {
	return append([]string{"run", "--shard-hostname", ourShard, "--master", master.URL,
		"--database-url", databaseURL, "--heartbeat-pause=50ms", "--startup-splay=0"}, more...)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// logs waits for a text on stderr.
func (p *process) logs(text string) {
	p.t.Helper()
	wait.Until(p.t, "for "+text+" on stderr", func() bool { return strings.Contains(p.stderr.String(), text) })
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// end waits for the end.
func (p *process) end() ended {
	p.t.Helper()
	wait.For(p.t, "the end of shard-client", p.done)
	return ended{p.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String(), time.Since(p.began)}
}

// stop asks the process to end in order.
func (p *process) stop() ended {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	return p.end().want(p.t, exitOK)
}

// A server that is silent keeps a connection, and its pool, for as long as the driver waits for it.
// The process ends all the same.
func TestASilentServerDoesNotKeepTheProcess(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	kept, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Release()
	closed := make(chan bool, 1)
	go func() {
		closeSoon(pool)
		closed <- true
	}()
	wait.For(t, "the end of a pool that has a connection in use", closed)
}
