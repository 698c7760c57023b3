package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/pgtest"
)

// times in a session differ from run to run.
var times = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?`)

// The session in docs/lab.md prints what it says.
func TestDocumentedSession(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "lab.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, session, _ := strings.Cut(string(document), "\n## A session\n")
	_, session, _ = strings.Cut(session, "\n```\n")
	session, _, found := strings.Cut(session, "\n```\n")
	if !found {
		t.Fatal("docs/lab.md has no session")
	}
	t.Setenv("SHARD_LAB_DATABASE_URL", pgtest.Database(t))
	var printed strings.Builder
	for line := range strings.Lines(session) {
		command, ok := strings.CutPrefix(line, "$ shard-lab ")
		if !ok {
			continue
		}
		_, stdout, stderr := invoke(words(t, command)...)
		printed.WriteString(line + stdout + stderr)
	}
	const anytime = "TIME"
	want, got := times.ReplaceAllString(session+"\n", anytime), times.ReplaceAllString(printed.String(), anytime)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/lab.md (-documented +printed):\n%s\nprinted whole:\n%s", diff, &printed)
	}
}

// words are what a shell makes of a command line.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
