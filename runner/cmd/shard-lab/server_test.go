package main

import (
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// A database on a server older than 15 is refused by every command, not sent to `migrate up`, which
// refuses it too.
func TestOldServer(t *testing.T) {
	t.Parallel()
	old := pgtest.Impostor(t, "14.19 (Debian 14.19-1.pgdg12+1)")
	for _, command := range []string{"master", "scheduler", "job list", "host add host1"} {
		code, _, stderr := invoke(append(strings.Fields(command), "--database-url", old)...)
		if code != exitFailed || !strings.Contains(stderr, "PostgreSQL 14.19") || !strings.Contains(stderr, "15 or newer") ||
			strings.Contains(stderr, "see that PostgreSQL runs") {
			t.Errorf("%s: exit %d, %s, want both versions", command, code, stderr)
		}
	}
}
