package main

import (
	"testing"

	"shardclient/runner/pgtest"
)

// A cloned or restored database is not served unasked: two clients of one shard run its jobs twice.
func TestCopyWantsToBeAdopted(t *testing.T) {
	t.Parallel()
	original := pgtest.Database(t)
	m := master(t, answers(nothing))
	invoke(once(m, original)...).want(t, exitOK)
	clone := pgtest.Clone(t, original)
	for _, args := range [][]string{once(m, clone), runArgs(m, clone)} {
		invoke(args...).want(t, exitUsage).silent(t).says(t, "is a copy", "--adopt", "last served, by shard-client ")
	}
	invoke("quarantine", "list", "--database-url", clone).want(t, exitOK) // looking is free
	if n := len(m.received()); n != 1 {
		t.Errorf("%d requests, want the original's only", n)
	}
	invoke(once(m, clone, "--adopt")...).want(t, exitOK)
	invoke(once(m, clone)...).want(t, exitOK)
	invoke(once(m, original)...).want(t, exitOK)
	invoke("migrate", "up", "--adopt", "--database-url", clone).want(t, exitUsage)
}
