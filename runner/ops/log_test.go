package ops

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const startName = "shard_client.log.2019-03-15-12.00.00"

func fileLogger(t *testing.T, dir string) (*slog.Logger, *Output, *bytes.Buffer) {
	t.Helper()
	var buf bytes.Buffer
	log, closer, err := NewLogger(LogOptions{Writer: &buf, Dir: dir, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer.Close() })
	return log, closer, &buf
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOptions(t *testing.T) {
	if _, _, err := NewLogger(LogOptions{Format: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("format xml: error %v", err)
	}
	var buf bytes.Buffer
	log, closer, err := NewLogger(LogOptions{Writer: &buf})
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hidden")
	log.Info("shown")
	if got := buf.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "msg=shown") {
		t.Errorf("default level and format: %q", got)
	}
	if err := errors.Join(closer.Close(), closer.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestLinesGoToWriterAndFile(t *testing.T) {
	dir := t.TempDir()
	log, out, buf := fileLogger(t, dir)
	log.Info("one")
	if err := errors.Join(out.Close(), out.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	log.Info("two")
	file := contents(t, filepath.Join(dir, startName))
	if !strings.Contains(file, "msg=one") || strings.Contains(file, "two") ||
		!strings.HasPrefix(buf.String(), file) || !strings.Contains(buf.String(), "msg=two") {
		t.Errorf("file %q, writer %q", file, buf.String())
	}
}

func TestStartsInOneSecondHaveFilesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		fileLogger(t, dir)
	}
	want := []string{startName, startName + "-2", startName + "-3"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestUnusableDirectory(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{filepath.Join(dir, "missing"): fs.ErrNotExist, plain: syscall.ENOTDIR} {
		_, _, err := NewLogger(LogOptions{Dir: path})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", path)) || !strings.Contains(err.Error(), "--log-dir") {
			t.Errorf("%s: error %v, want one that wraps %v, names the directory and says what to do", path, err, want)
		}
	}
}

// brokenFile is a log file on a disk that is full while it is broken.
type brokenFile struct {
	bytes.Buffer
	broken bool
}

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.broken {
		return 0, syscall.ENOSPC
	}
	return f.Buffer.Write(p)
}

func (f *brokenFile) Close() error { return nil }

func TestAFullDiskDoesNotStopTheWriter(t *testing.T) {
	log, out, buf := fileLogger(t, t.TempDir())
	file := &brokenFile{}
	_ = out.closer.Close()
	out.file.writer, out.closer = file, file
	for i := range 6 {
		file.broken = i != 0 && i != 3
		log.Info("line", "n", i)
	}
	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	if len(lines) != 8 || strings.Count(buf.String(), "msg=line") != 6 || !strings.Contains(lines[2], "log file cannot be written") ||
		!strings.Contains(lines[2], "no space left") || !strings.Contains(lines[6], "log file cannot be written") {
		t.Errorf("writer: %s", buf.String())
	}
	// Lines 0 and 3; before the latter, how many are missing there.
	inFile := strings.Split(strings.TrimSpace(file.String()), "\n")
	if len(inFile) != 3 || !strings.Contains(inFile[1], `msg="log lines were lost" lines=2`) || out.Lost() != 4 {
		t.Errorf("%d lines lost; the file has %q", out.Lost(), inFile)
	}
}

func TestConcurrentLinesStayWhole(t *testing.T) {
	dir := t.TempDir()
	log, out, buf := fileLogger(t, dir)
	out.closer.(*logFile).limit = 5000
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				log.Info("line", "who", strings.Repeat(fmt.Sprint(i), 100))
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	if len(lines) != 400 {
		t.Errorf("%d lines, want 400", len(lines))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "time=2019-03-15T12:00:00.000Z level=INFO msg=line who=") || len(line) != len(lines[0]) {
			t.Fatalf("torn line %q", line)
		}
	}
}
