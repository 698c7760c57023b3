package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checkLines fails the test unless every line is short and follows its format.
func checkLines(t *testing.T, format, text string) {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("log ends within a line: %q", text)
	}
	for line := range strings.Lines(text) {
		if len(line) >= 4096 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
		if isJSON := json.Valid([]byte(line)); isJSON != (format == "json") || !isJSON && !strings.HasPrefix(line, "time=") {
			t.Errorf("no line of format %s: %.200s", format, line)
		}
	}
}

// An error of a hundred kilobytes from the master takes one short line.
func TestLogLinesAreShort(t *testing.T) {
	t.Parallel()
	const huge = 100 << 10 // far past every limit on the way to the log
	long := strings.Repeat(`"<ä>\ `+"\x01\n", huge/9)
	unavailable := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.Header().Set("X-Long", strings.Repeat("x", 1<<16))
		page(http.StatusServiceUnavailable, long).ServeHTTP(w, r)
	})
	for name, answer := range map[string]http.Handler{
		"rpc_error": refuses("Error", long), "long name": refuses(strings.Repeat("Name", huge/4), long), "http_status": page(500, long),
		"undecodable": page(200, long), "retried": unavailable, "fall-back": refuses("TypeError", "known_host_statuses "+long),
		"odd error":   page(200, `{"error": "`+strings.Repeat("e", huge)+`"}`),
		"bad objects": answers(strings.ReplaceAll(jobs(1), `"owner": "o"`, `"owner": ["`+strings.Repeat("o", huge)+`"]`)),
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				databaseURL, _ := database(t)
				m := master(t, answer)
				e := invoke(once(m, databaseURL, "--log-level=debug", "--log-format", format)...)
				checkLines(t, format, e.stderr)
				if got := e.result(t); (got.Outcome == "ok") != (name == "bad objects") || len(got.Error) > 4096 {
					t.Errorf("outcome %s with an error of %d bytes", got.Outcome, len(got.Error))
				}
			})
		}
	}
}

// The log file of a start holds the same lines as stderr.
func TestLogDir(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, answers(nothing))
	for _, format := range []string{"text", "json"} {
		directory := t.TempDir()
		e := invoke(runArgs(m, databaseURL, "--lifetime=1ms", "--log-dir", directory, "--log-format", format)...).want(t, exitOK)
		checkLines(t, format, e.stderr)
		files, err := os.ReadDir(directory)
		name := regexp.MustCompile(`^shard_client\.log\.\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d$`)
		if err != nil || len(files) != 1 || !name.MatchString(files[0].Name()) {
			t.Fatalf("files %v, %v; want one with a time in its name", files, err)
		}
		if text, err := os.ReadFile(filepath.Join(directory, files[0].Name())); err != nil || string(text) != e.stderr {
			t.Errorf("the file says %q, stderr %q, %v", text, e.stderr, err)
		}
	}
	// The short commands of an operator make no file.
	directory := t.TempDir()
	invoke("quarantine", "list", "--database-url", databaseURL, "--log-dir", directory).want(t, exitOK)
	if files, err := os.ReadDir(directory); err != nil || len(files) != 0 {
		t.Errorf("files %v, %v; want none", files, err)
	}
}

// Autotest's own variable serves where ours is not set.
func TestLogDirOfAutotest(t *testing.T) {
	directory := t.TempDir()
	t.Setenv("AUTOTEST_SCHEDULER_LOG_DIR", directory)
	databaseURL, _ := database(t)
	invoke(once(master(t, answers(nothing)), databaseURL)...).want(t, exitOK)
	if files, err := os.ReadDir(directory); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v; want one", files, err)
	}
}

// At level debug every attempt has a line; at level error a failed beat has none.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	m := master(t, page(500, "Oops"))
	for level, want := range map[string]int{"info": 1, "warn": 1, "error": 0} {
		e := invoke(once(m, databaseURL, "--log-level", level)...).want(t, exitFailed)
		if lines := strings.Count(e.stderr, "\n"); lines != want {
			t.Errorf("level %s: %d lines, want %d: %v", level, lines, want, e)
		}
	}
}
