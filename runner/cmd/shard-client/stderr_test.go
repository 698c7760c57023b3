package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shardclient/runner/binaries"
	"shardclient/runner/wait"
)

// pipe returns a pipe, and closes what is left of it at the end of the test.
func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = reader.Close()
		_ = writer.Close()
	})
	return reader, writer
}

// fill writes to a pipe until nothing more fits, so that the next writer is stuck.
func fill(t *testing.T, writer *os.File) {
	t.Helper()
	control, err := writer.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := control.Control(func(fd uintptr) {
		for n, block := int(fd), []byte(strings.Repeat(".", 512)); ; {
			if _, err := syscall.Write(n, block); err != nil {
				return // EAGAIN: it is full
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// A reader of stderr that is gone costs lines, and neither a beat nor the end in order.
func TestReaderOfStderrThatIsGone(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"run", "once"} {
		databaseURL, _ := database(t)
		m := master(t, answers(nothing))
		directory := t.TempDir()
		reader, writer := pipe(t)
		p := startTo(t, writer, append([]string{command}, runArgs(m, databaseURL, "--log-dir", directory)[1:]...)...)
		_ = reader.Close()
		_ = writer.Close() // the process has its own
		if command == "run" {
			wait.Until(t, "for some beats", func() bool { return len(m.received()) > 5 })
			p.signal(syscall.SIGTERM)
		}
		p.end().want(t, exitOK)
		checkLines(t, "text", logFile(t, directory))
	}
}

// A reader of stderr that is stuck costs lines and no beat, and the log file has them.
func TestReaderOfStderrThatIsStuck(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	directory := t.TempDir()
	_, writer := pipe(t)
	fill(t, writer)
	p := startTo(t, writer, runArgs(m, databaseURL, "--log-dir", directory)...)
	wait.Until(t, "for some beats", func() bool { return len(m.received()) > 5 })
	p.stop()
	if text := logFile(t, directory); strings.Count(text, "msg=heartbeat ") < 5 || !strings.Contains(text, "msg=stopped") {
		t.Errorf("the file says %s", text)
	}
}

// The second signal ends the process whatever is stuck.
func TestSecondSignalWithAStuckStderr(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, hangs(nil, nil))
	_, writer := pipe(t)
	fill(t, writer)
	p := startTo(t, writer, runArgs(m, databaseURL, "--stop-timeout=1h")...)
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	wait.Until(t, "for the end", func() bool {
		_ = p.Process.Signal(syscall.SIGTERM)
		return !p.running()
	})
	p.end().want(t, exitFailed)
}

// A mistake on the command line ends the process, too.
func TestUsageErrorWithAStuckStderr(t *testing.T) {
	t.Parallel()
	_, writer := pipe(t)
	fill(t, writer)
	startTo(t, writer, "run", "--nonsense").end().want(t, exitUsage)
}

// SIGHUP makes the log file anew and ends nothing, least of all a beat in hand.
func TestHangupReopensTheLog(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	release := make(chan struct{})
	m := master(t, hangs(release, answers(nothing)))
	directory := t.TempDir()
	p := startRun(t, m, databaseURL, "--log-dir", directory, "--heartbeat-pause=1h")
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	path := logFiles(t, directory)[0]
	if err := os.Rename(path, filepath.Join(directory, "moved")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.logs(`msg="log file reopened"`)
	close(release)
	p.logs("msg=heartbeat ")
	p.stop()
	moved, err := os.ReadFile(filepath.Join(directory, "moved"))
	if err != nil || !strings.Contains(string(moved), "shard-client starts") || strings.Contains(string(moved), "reopened") {
		t.Errorf("the file that was moved: %s, %v", moved, err)
	}
	if text := logFile(t, directory); !strings.Contains(text, "msg=heartbeat ") || strings.Contains(text, "shard-client starts") {
		t.Errorf("the new file: %s", text)
	}
}

// Without a log file SIGHUP ends nothing either, in once as in run.
func TestHangupWithoutALogFile(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	release := make(chan struct{})
	m := master(t, hangs(release, answers(nothing)))
	p := start(t, append([]string{"once"}, runArgs(m, databaseURL)[1:]...)...)
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	p.signal(syscall.SIGHUP)
	p.logs("log file reopened")
	close(release)
	p.end().want(t, exitOK)
}

// logFiles returns the paths of the log files in a directory.
func logFiles(t *testing.T, directory string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "shard_client.log.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d log files, %v", len(files), err)
	}
	slices.Sort(files)
	return files
}

// logFile returns the text of the only log file.
func logFile(t *testing.T, directory string) string {
	t.Helper()
	text, err := os.ReadFile(logFiles(t, directory)[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A result that could not be printed is no success, whatever the command.
func TestFullStdout(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	for _, output := range []string{"text", "json"} {
		for _, args := range [][]string{
			{"--help"}, {"run", "--help"}, {"version"}, {"migrate", "status"}, {"migrate", "up"}, {"quarantine", "list"}, once(m, databaseURL),
		} {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			args = append(args, "--database-url", databaseURL, "--output", output)
			code := (&program{began: time.Now(), stdout: full, stderr: &stderr}).run(args)
			if err := full.Close(); err != nil {
				t.Fatal(err)
			}
			if code != exitFailed || strings.Count(stderr.String(), "no space left on device") != 1 {
				t.Errorf("%q: exit %d: %s", args, code, &stderr)
			}
		}
	}
}

// A result whose reader is gone is no success, but nothing to write about: as `ls | head -1`.
func TestReaderOfStdoutGone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"version", "--output", "json"}, {"--help"}} {
		read, write := pipe(t)
		var stderr bytes.Buffer
		cmd := exec.Command(binaries.ShardClient(t), args...)
		cmd.Stdout, cmd.Stderr = write, &stderr
		if err := read.Close(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Run() // the exit code is read instead
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || stderr.Len() > 0 {
			t.Errorf("%q: exit %d: %s; want exit 1 without a word", args, code, &stderr)
		}
	}
}
