package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/wait"
)

func TestMain(m *testing.M) {
	// os/signal starts one goroutine for the process, for good.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/signal.signal_recv"), goleak.IgnoreTopFunction("os/signal.loop"))
}

// seen are the directories that a command found in its environment, written to a file.
func seen(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	directories := strings.Fields(string(text))
	if len(directories) != 2 {
		t.Fatalf("the command found %q, want a server and programs", directories)
	}
	return directories
}

// gone fails the test for each directory that is still there.
func gone(t *testing.T, directories []string) {
	t.Helper()
	for _, path := range directories {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left behind (%v)", path, err)
		}
	}
}

// The command has a server and the programs; SIGTERM reaches it, its exit code is the run's, and
// the run cleans up after it.
func TestRunIsOverWithItsCommand(t *testing.T) {
	found := filepath.Join(t.TempDir(), "found")
	type outcome struct {
		code int
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		code, err := run([]string{"sh", "-c", `
			ls "$SHARD_TEST_POSTGRES"/.s.PGSQL.* "$SHARD_TEST_BINARIES"/shard-client "$SHARD_TEST_BINARIES"/shard-lab >/dev/null || exit 9
			trap 'kill $!; exit 7' TERM
			tail -f /dev/null &
			echo "$SHARD_TEST_POSTGRES" "$SHARD_TEST_BINARIES" > "$0.part"; mv "$0.part" "$0"; wait`, found})
		ended <- outcome{code, err}
	}()
	wait.Until(t, "for the command", func() bool {
		_, err := os.Stat(found)
		return err == nil || len(ended) > 0
	})
	if len(ended) > 0 {
		o := <-ended
		t.Fatalf("exit %d, %v; the command found no server or no programs", o.code, o.err)
	}
	directories := seen(t, found)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if o := wait.For(t, "for the end of the run", ended); o.code != 7 || o.err != nil {
		t.Errorf("exit %d, %v; want that of the command, 7", o.code, o.err)
	}
	gone(t, directories)
}

// A command that a signal ends has the exit code that a shell would give.
func TestExitCodeOfASignal(t *testing.T) {
	code, err := runCommand([]string{"sh", "-c", "kill -TERM $$"}, nil, nil)
	if code != 128+int(syscall.SIGTERM) || err != nil {
		t.Errorf("exit %d, %v; want 128 + 15", code, err)
	}
}

// Nothing is started or built for it.
func TestRunOfNoCommand(t *testing.T) {
	if code, err := run([]string{"/no/such/command"}); code != exitFailed || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exit %d, %v; want 1 and what is missing", code, err)
	}
}
