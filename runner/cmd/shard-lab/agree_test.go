package main

import (
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// agree fails while anything is open, missing or different, and says what.
func TestAgree(t *testing.T) {
	t.Parallel()
	master, shard := pgtest.Database(t), pgtest.Database(t)
	lab := func(arguments ...string) (int, string, string) {
		return invoke(append(arguments, "--database-url", master)...)
	}
	for _, command := range []string{
		"label add board:eve", "shard add shard1 --label board:eve", "host add eve-1 --label board:eve",
	} {
		if code, _, stderr := lab(strings.Fields(command)...); code != exitOK {
			t.Fatalf("%s: exit %d, %s", command, code, stderr)
		}
	}
	if code, stdout, stderr := lab("agree", "shard1="+shard); code != exitOK ||
		stdout != "0 jobs, 0 entries, 0 of them complete: 0 agreed, 0 lost, 0 duplicated\n" {
		t.Errorf("before the first beat: exit %d, %s%s", code, stdout, stderr)
	}
	pgtest.Exec(t, connect(t, master), "UPDATE afe_hosts SET shard_id = 1")
	if code, stdout, _ := lab("agree", "shard1="+shard); code != exitFailed ||
		!strings.HasPrefix(stdout, "shard1: host 1: exists is no here, yes on the master\n") {
		t.Errorf("a host that never came: exit %d, %s", code, stdout)
	}
	if code, _, stderr := lab("agree", shard); code != exitUsage || !strings.Contains(stderr, "HOSTNAME=URL") {
		t.Errorf("without a name: exit %d, %s, want a usage error", code, stderr)
	}
}

// A pooler refuses settings that come with the start of a connection.
func TestAdministrationThroughPooler(t *testing.T) {
	t.Parallel()
	master, shard := pgtest.Pooled(t, pgtest.Database(t), "session"), pgtest.Pooled(t, pgtest.Database(t), "session")
	limited := func(address string) string { return address + "&statement_timeout=20s" }
	for _, command := range []string{"shard add shard1", "agree shard1=" + limited(shard)} {
		if code, _, stderr := invoke(append(strings.Fields(command), "--database-url", limited(master))...); code != exitOK {
			t.Errorf("%s: exit %d, %s", command, code, stderr)
		}
	}
}
