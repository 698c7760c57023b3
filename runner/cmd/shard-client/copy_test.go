package main

import (
	"net/http"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
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

// A copy is adopted without a start; not while it is served.
func TestAdopt(t *testing.T) {
	t.Parallel()
	original := pgtest.Database(t)
	m := master(t, answers(nothing))
	adopt := func(databaseURL string, more ...string) ended {
		return invoke(append([]string{"adopt", "--database-url", databaseURL}, more...)...)
	}
	invoke(once(m, original)...).want(t, exitOK)
	cloneURL := pgtest.Clone(t, original)
	clone := open(t, cloneURL)
	before := whole(t, clone)
	adopt(cloneURL).want(t, exitUsage).says(t, "--yes")
	if whole(t, clone) != before {
		t.Error("a question has changed the database")
	}
	if e := adopt(cloneURL, "--yes").want(t, exitOK); !strings.Contains(e.stdout, "adopted: ") || !strings.Contains(e.stdout, "served last by shard-client ") {
		t.Errorf("%v", e)
	}
	before = whole(t, clone)
	if e := adopt(cloneURL, "--yes", "--output=json").want(t, exitOK); !strings.Contains(e.stdout, `"adopted":false`) {
		t.Errorf("%v", e)
	}
	if whole(t, clone) != before {
		t.Error("there was nothing to adopt, and the database has changed")
	}
	release := make(chan struct{})
	hanging := masterThat(t, func(int, []byte) http.Handler { return hangs(release, answers(nothing)) })
	p := startRun(t, hanging, cloneURL)
	wait.Until(t, "for the request", func() bool { return len(hanging.received()) == 1 })
	adopt(cloneURL, "--yes").want(t, exitHeld).says(t, "another shard-client holds the lock")
	close(release)
	p.stop().want(t, exitOK)
}
