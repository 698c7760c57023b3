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

// The command has a server and the programs, and its exit code is the run's; nothing is left
// behind.
func TestRunIsOverWithItsCommand(t *testing.T) {
	found := filepath.Join(t.TempDir(), "found")
	code, err := run([]string{"sh", "-c", `
		ls "$SHARD_TEST_POSTGRES"/.s.PGSQL.* "$SHARD_TEST_BINARIES"/shard-client "$SHARD_TEST_BINARIES"/shard-lab >/dev/null || exit 9
		echo "$SHARD_TEST_POSTGRES" "$SHARD_TEST_BINARIES" > "$0"; exit 7`, found})
	if code != 7 || err != nil {
		t.Fatalf("exit %d, %v; want that of the command, 7", code, err)
	}
	gone(t, seen(t, found))
}

// SIGTERM ends the command, and the run cleans up after it.
func TestRunThatIsTerminated(t *testing.T) {
	found := filepath.Join(t.TempDir(), "found")
	type outcome struct {
		code int
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		code, err := run([]string{"sh", "-c", `echo "$SHARD_TEST_POSTGRES" "$SHARD_TEST_BINARIES" > "$0.part"; mv "$0.part" "$0"; exec tail -f /dev/null`, found})
		ended <- outcome{code, err}
	}()
	wait.Until(t, "for the command", func() bool {
		_, err := os.Stat(found)
		return err == nil
	})
	directories := seen(t, found)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if o := wait.For(t, "for the end of the run", ended); o.code != 128+int(syscall.SIGTERM) || o.err != nil {
		t.Errorf("exit %d, %v; want 128 + 15", o.code, o.err)
	}
	gone(t, directories)
}

func TestRunOfNoCommand(t *testing.T) {
	if code, err := run([]string{"/no/such/command"}); code != exitFailed || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exit %d, %v; want 1 and what is missing", code, err)
	}
}
