package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"shardclient/runner/binaries"
)

// From the command line to the exit code, with the real shard-client.
func TestReplayAgreesWithTheRecording(t *testing.T) {
	for _, name := range []string{"PGSERVICE", "PGOPTIONS", "PGTZ"} {
		t.Setenv(name, "nonsense") // a developer's own, for another database
	}
	code, stdout, stderr := invoke("replay", "--client", binaries.ShardClient(t))
	if code != exitOK || stderr != "" || !strings.HasSuffix(stdout, "database and recording agree\n") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
	for line := range strings.Lines(stdout) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("wider than 100 columns: %s", line)
		}
	}
}

func TestReplayFailsWithAnotherProgram(t *testing.T) {
	code, stdout, stderr := invoke("replay", "--client", "/bin/false")
	if code != exitFailed || stderr != "" || !strings.Contains(stdout, "run shard-client version: exit status 1") ||
		!strings.Contains(stdout, "\nreplay: FAILED: ") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", code, stderr, stdout)
	}
}

func TestReplaySaysWhereShardClientIsMissing(t *testing.T) {
	code, stdout, stderr := invoke("replay") // go test puts nothing beside the test binary
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "make build") || !strings.Contains(stderr, "--client") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
