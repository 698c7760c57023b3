package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/wait"
)

// A result that could not be printed is no success, whatever the command. A server that nobody can
// find does not stay.
func TestFullStdout(t *testing.T) {
	databaseURL, _ := databaseOfMaster(t)
	database := []string{"--database-url", databaseURL}
	for _, args := range [][]string{
		{"--help"}, {"host", "--help"}, {"--version"}, {"postgres", "--no-migrate"}, {"replay", "--client", binaries.ShardClient(t)},
		append([]string{"master", "--listen", "127.0.0.1:0"}, database...),
		append([]string{"label", "add", "board:eve"}, database...),
		append([]string{"label", "list"}, database...),
		append([]string{"shard", "list", "--output", "json"}, database...),
		append([]string{"job", "list"}, database...),
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		code := run(wait.Context(t), args, output{full, &stderr})
		if err := full.Close(); err != nil {
			t.Fatal(err)
		}
		if code != exitFailed || strings.Count(stderr.String(), "no space left on device") != 1 {
			t.Errorf("%q: exit %d: %s", args, code, &stderr)
		}
	}
}
