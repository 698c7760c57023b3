package main

import (
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// A server older than 15 is refused by every command, with both versions, and not waited for.
func TestOldServer(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for _, version := range []string{"14.19 (Debian 14.19-1.pgdg12+1)", "13.22", "9.6.24", "14beta1"} {
		old := pgtest.Impostor(t, version)
		number, _, _ := strings.Cut(version, " ")
		for _, args := range [][]string{
			{"migrate", "up", "--database-url", old}, {"migrate", "status", "--database-url", old},
			{"quarantine", "list", "--database-url", old}, once(m, old), append([]string{"run"}, once(m, old)[1:]...),
		} {
			invoke(args...).want(t, exitSchema).silent(t).says(t, "PostgreSQL "+number, "15 or newer")
		}
	}
	// Others are not old: what they close is an outage.
	for _, version := range []string{"15.0", "18.1", "19devel", "unknown"} {
		invoke("quarantine", "list", "--database-url", pgtest.Impostor(t, version)).want(t, exitFailed)
	}
}
