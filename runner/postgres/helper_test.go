package postgres

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperVariable turns the test binary into a program that starts a server and waits to be killed.
const helperVariable = "SHARD_LAB_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		helper()
		return
	}
	// These tests are about initdb, too.
	if err := os.Unsetenv(SharedVariable); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// helper prints the server's process id and directory, then stops when its input ends.
func helper() {
	p, err := Start(context.Background(), Options{})
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.Itoa(p.PID()) + " " + p.dir.path + "\n")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	if err := p.Stop(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// helperProcess is a running helper and what it said about its server.
type helperProcess struct {
	cmd       *exec.Cmd
	stop      func() error
	serverPID int
	directory string
}

func startHelper(t *testing.T, credential *syscall.Credential) helperProcess {
	t.Helper()
	cmd := exec.Command(readableTestBinary(t))
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	pid, directory, found := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !found {
		t.Fatalf("helper said %q: %v, %v", line, err, cmd.Wait())
	}
	h := helperProcess{cmd: cmd, directory: directory}
	h.stop = func() error { return errors.Join(stdin.Close(), cmd.Wait()) }
	if h.serverPID, err = strconv.Atoi(pid); err != nil {
		t.Fatal(err)
	}
	return h
}

// readableTestBinary copies the test binary to where any user may run it; `go test` keeps it in a
// closed directory.
func readableTestBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "shard-lab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "lab.test")
	if err := errors.Join(writeProgram(path, binary), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeProgram writes a program that is then run. While it is open for writing nobody may fork: a
// child would hold it open until it runs a program of its own, and Linux runs no file that is open
// for writing.
func writeProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755)
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func makeOld(t *testing.T, path string) {
	t.Helper()
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveAbandonedSparesTheLivingAndTheYoung(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	owner := account{uid: os.Geteuid(), gid: os.Getegid()}
	living, err := newDirectory(base, owner)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = living.remove() }()
	makeOld(t, living.path)
	dirs := map[string]string{}
	for _, name := range []string{directoryPrefix + "young", directoryPrefix + "old", "other"} {
		dirs[name] = filepath.Join(base, name)
		if err := os.Mkdir(dirs[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	makeOld(t, dirs[directoryPrefix+"old"])
	makeOld(t, dirs["other"])
	stranger := owner
	stranger.uid++
	removeAbandoned(base, stranger, slog.New(slog.DiscardHandler))
	if missing(dirs[directoryPrefix+"old"]) {
		t.Error("removed a directory of another user")
	}
	removeAbandoned(base, owner, slog.New(slog.DiscardHandler))
	if !missing(dirs[directoryPrefix+"old"]) {
		t.Error("an abandoned directory is still there")
	}
	for _, spared := range []string{living.path, dirs[directoryPrefix+"young"], dirs["other"]} {
		if missing(spared) {
			t.Errorf("removed %s", spared)
		}
	}
}

// Run by root, this is the other half of "works as root and as an ordinary user"; run by an
// ordinary user, all other tests are.
func TestPostgresRunsForAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	var credential *syscall.Credential
	if os.Geteuid() == 0 {
		const nobody = 65534
		credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	h := startHelper(t, credential)
	if gone(h.serverPID) {
		t.Error("no server process")
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if !gone(h.serverPID) || !missing(h.directory) {
		t.Error("server or directory survived Stop")
	}
}

func TestBaseFitsASocketPathAndTheServersUser(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", longestBase))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	if got := base(memoryBase, true, account{}); got != "/tmp" {
		t.Errorf("base %s is too long for a socket", got)
	}
	closed := filepath.Join("/tmp", filepath.Base(t.TempDir())+"closed")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(closed) }()
	t.Setenv("TMPDIR", closed)
	if got := base(memoryBase, false, account{switches: true}); got != "/tmp" {
		t.Errorf("base %s is closed to the server's user", got)
	}
	if got := base(memoryBase, true, account{}); got != closed {
		t.Errorf("base %s, want TMPDIR", got)
	}
}
