package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// interrupt is what somebody types who is asked something and presses Ctrl-C.
const interrupt = "\x03"

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
	var environment []string
	if strings.Contains(args[0], "=") {
		environment, args = append(os.Environ(), args[0]), args[1:]
	}
	cmd := exec.Command(binaries.ShardClient(t), args...)
	cmd.Env = environment
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	if types != interrupt {
		if _, err := io.WriteString(ours, types); err != nil { // it waits there until somebody reads it
			t.Error(err)
		}
	}
	seen := make(chan string, 1)
	go func() {
		text, part, asked := "", make([]byte, 4096), types != interrupt
		for {
			n, err := ours.Read(part) // EIO at the end: nobody holds the other side any more
			text += string(part[:n])
			look(text)
			if !asked && strings.Contains(text, "[y/N]") {
				asked = true
				_ = cmd.Process.Signal(os.Interrupt) // it may have ended
			}
			if err != nil {
				break
			}
		}
		seen <- text
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
	for _, answer := range []string{"\n", "n\n", "\x04", "maybe\n", interrupt} {
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
	dumb, code := onTerminal(t, "", "TERM=dumb", "migrate", "down", "--database-url", databaseURL)
	if code != exitOK || strings.Contains(dumb, "\x1b") || !strings.Contains(dumb, "down ") {
		t.Errorf("a dumb terminal: exit %d: %q", code, dumb)
	}
}

// Nothing that a master or another program has written reaches a terminal as an order to it.
func TestTextsFromElsewhereGiveATerminalNoOrders(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	hostile := `E'x\x1b[31;1my\u009b31m\u202ez\x7f'`
	pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('in', 'job', 6, `+hostile+`, `+hostile+`, convert_to(`+hostile+`, 'UTF8'), 0, '');
		INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('host', 7, `+hostile+`);
		INSERT INTO afe_hosts (id, hostname, status) VALUES (8, `+hostile+`, `+hostile+`);
		INSERT INTO shard_client_owner (who) VALUES (`+hostile+`) ON CONFLICT (only_row) DO UPDATE SET who = excluded.who;
		INSERT INTO shard_client_heartbeats (started_at, epoch, protocol, outcome, failure, error, packed_ms, rpc_ms, ack_ms, apply_ms, known_jobs,
			known_hosts, uploaded_jobs, uploaded_entries, received_hosts, received_jobs, received_keyvals, quarantined, large_waiting)
			VALUES (now(), 1, '2019', 'failed', `+hostile+`, `+hostile+`, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, false)`)
	ours := regexp.MustCompile(`\x1b\[(0|31|32|33|90)m`)
	for _, command := range []string{"quarantine list", "quarantine show in job 6", "status", "history", "packet", "once --dry-run", "check", "sessions list"} {
		for _, format := range []string{"text", "json"} {
			args := append(strings.Fields(command), "--output", format, "--database-url", databaseURL, "--shard-hostname", ourShard)
			screen, code := onTerminal(t, "", args...)
			if code != exitOK && command != "check" || len(screen) == 0 {
				t.Errorf("%s: exit %d: %s", command, code, screen)
			}
			if i := strings.IndexAny(ours.ReplaceAllString(screen, ""), "\x1b\u009b\u202e\x7f"); i >= 0 {
				t.Errorf("%s --output %s gives orders: %q", command, format, screen)
			}
		}
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
