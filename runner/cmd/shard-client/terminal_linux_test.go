package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// onTerminal runs shard-client on a terminal, on which somebody types, and returns what stands
// there at the end and the exit code.
func onTerminal(t *testing.T, types string, args ...string) (screen string, code int) {
	t.Helper()
	return onSeenTerminal(t, types, func(string) {}, args...)
}

// onSeenTerminal is onTerminal for a test that looks at the screen each time that more comes.
func onSeenTerminal(t *testing.T, types string, look func(screen string), args ...string) (screen string, code int) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binaries.ShardClient(t), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	if _, err := io.WriteString(ours, types); err != nil { // it waits there until somebody reads it
		t.Error(err)
	}
	seen := make(chan string, 1)
	go func() {
		var text strings.Builder
		part := make([]byte, 4096)
		for {
			n, err := ours.Read(part)
			text.Write(part[:n])
			look(text.String())
			if err != nil { // EIO at the end: nobody holds the other side any more
				break
			}
		}
		seen <- text.String()
	}()
	screen = wait.For(t, "the end of shard-client on a terminal", seen)
	_ = cmd.Wait() // the exit code is read instead
	return screen, cmd.ProcessState.ExitCode()
}

// On a terminal a question is asked, and only a yes is one.
func TestAsksOnATerminal(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	drop := mend(databaseURL, "drop", "out", "host", "4", "--give-up")
	for _, answer := range []string{"\n", "n\n", "\x04", "maybe\n"} {
		screen, code := onTerminal(t, answer, drop...)
		if code != exitFailed || !strings.Contains(screen, "out host 4 is taken out of use here") || !strings.Contains(screen, "Drop it? [y/N]") ||
			!strings.Contains(screen, "nothing was changed") {
			t.Errorf("%q: exit %d: %s", answer, code, screen)
		}
	}
	if pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts WHERE id = 4 AND NOT invalid") != 1 {
		t.Error("host 4 is gone without a yes")
	}
	if screen, code := onTerminal(t, "y\n", drop...); code != exitOK {
		t.Errorf("exit %d: %s", code, screen)
	}
	if pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts WHERE id = 4 AND invalid") != 1 {
		t.Error("host 4 is still valid")
	}
	if screen, code := onTerminal(t, "", mend(databaseURL, "show", "out", "job", "2", "--raw")...); code != exitUsage {
		t.Errorf("raw on a terminal: exit %d: %s", code, screen)
	}
}

// Long work says on a terminal how far it is, and leaves nothing of that behind; elsewhere it is
// silent.
func TestMigrationsShowProgressOnATerminal(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	screen, code := onTerminal(t, "", "migrate", "up", "--database-url", databaseURL)
	if code != exitOK || !strings.Contains(screen, "\r\x1b[Kmigrate up, 0 s") || !strings.Contains(screen, "\x1b[Kmigrate up: CREATE TABLE afe_jobs (") ||
		!strings.Contains(screen, " 00001_afe_tables.sql (") {
		t.Errorf("exit %d: %q", code, screen)
	}
	if _, result, _ := strings.Cut(screen, "\r\x1b[Kup   00001"); strings.Contains(result, "\x1b") || result == "" {
		t.Errorf("the line of progress is not gone before the result: %q", screen)
	}
	if e := invoke("migrate", "up", "--database-url", databaseURL).want(t, exitOK); e.stderr != "" {
		t.Errorf("there is no terminal: %v", e)
	}
}

// A beat that takes long says so on a terminal, and nothing of that stays. One that does not says
// nothing.
func TestALongBeatShowsProgressOnATerminal(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	const progress = "\r\x1b[Kthe beat is under way, 1 s"
	shown := make(chan struct{})
	tell := sync.OnceFunc(func() { close(shown) })
	slow := master(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-shown:
		case <-r.Context().Done():
		}
		answers(nothing).ServeHTTP(w, r)
	}))
	screen, code := onSeenTerminal(t, "", func(screen string) {
		if strings.Contains(screen, progress) {
			tell()
		}
	}, once(slow, databaseURL, "--output", "text")...)
	tell() // also for a client that has ended without it
	before, result, _ := strings.Cut(screen, "heartbeat ok in")
	if code != exitOK || !strings.Contains(before, progress) || !strings.HasSuffix(before, "\r\x1b[K") || strings.Contains(result, "under way") {
		t.Errorf("exit %d: %q", code, screen)
	}
}
