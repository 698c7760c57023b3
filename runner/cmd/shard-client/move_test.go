package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each command line of the document is one that this program understands. make test-import runs
// them.
func TestMigratingDocument(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?m)(?:^ {3,}|`)shard-client ([a-z][^`\n]*)").FindAllStringSubmatch(string(page), -1)
	for _, line := range found {
		invoke(append(strings.Fields(line[1]), "--help")...).want(t, exitOK)
	}
	if len(found) < 9 {
		t.Errorf("only %d command lines are found", len(found))
	}
}

// Without the program that moves shards, the commands say where it is wanted. What it does is
// tested in runner/move, by make test-import.
func TestMoverIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"import", "export"} {
		invoke(name, "--dry-run").want(t, exitFailed).silent(t).says(t, "shard-client-move is neither beside this program, nor in /usr/libexec/shard-client, nor on PATH")
	}
	invoke("imprt").want(t, exitUsage).says(t, "did you mean import?")
	invoke("import", "--nonsense").want(t, exitUsage).says(t, "--nonsense")
}

// In the shell of a move the variables of an import stay, and none of them is misspelt.
func TestVariablesOfAMoveAreKnown(t *testing.T) {
	t.Setenv("SHARD_CLIENT_IMPORT_FROM", "mysql://u@h/d")
	t.Setenv("SHARD_CLIENT_EXPORT_TO", "mysql://u@h/d")
	t.Setenv("SHARD_CLIENT_MYSQL_PASSWORD_FILE", "/none")
	t.Setenv("SHARD_CLIENT_IMPORT_FORM", "mysql://u@h/d")
	e := invoke("config")
	if !strings.Contains(e.stderr, "SHARD_CLIENT_IMPORT_FORM (did you mean SHARD_CLIENT_IMPORT_FROM?) sets nothing") || strings.Count(e.stderr, "sets nothing") != 1 {
		t.Errorf("%s", e.stderr)
	}
}
