package postgres

import (
	"strings"
	"testing"

	"shardclient/runner/wait"
)

func TestStandbyFollowsItsPrimaryAndIsPromoted(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"synchronous_commit": "on"}
	primary := start(t, Options{TCP: true, Settings: settings})
	if err := primary.CreateDatabase(t.Context(), "before", "template1"); err != nil {
		t.Fatal(err)
	}
	standby, err := StartStandby(t.Context(), primary, Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got := ask(t, standby.URL("before"), "SHOW transaction_read_only"); got != "on" {
		t.Errorf("a standby says transaction_read_only = %s", got)
	}
	const name = "SELECT coalesce(min(application_name), '') FROM pg_stat_replication WHERE state = 'streaming'"
	wait.Until(t, "the standby is connected", func() bool { return ask(t, primary.URL("postgres"), name) == StandbyName })
	if err := primary.CreateDatabase(t.Context(), "after", "template1"); err != nil {
		t.Fatal(err)
	}
	const there = "SELECT count(*)::text FROM pg_database WHERE datname = 'after'"
	wait.Until(t, "the new database on the standby", func() bool { return ask(t, standby.URL("postgres"), there) == "1" })
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := standby.CreateDatabase(t.Context(), "own", "after"); err != nil {
		t.Errorf("write after the promotion: %v", err)
	}
	if err := standby.Promote(t.Context()); err == nil || !strings.Contains(err.Error(), "promote standby") {
		t.Errorf("second promotion: %v, want an error", err)
	}
}

func TestStandbyNeedsAPrimaryThatListens(t *testing.T) {
	t.Parallel()
	primary := start(t, Options{})
	if _, err := StartStandby(t.Context(), primary, Options{}); err == nil || !strings.Contains(err.Error(), "TCP") {
		t.Errorf("standby of a server without a port: %v", err)
	}
}

// A copy has what the other server had, under the same password, and goes its own way.
func TestACopyGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	original := start(t, Options{TCP: true})
	if err := original.CreateDatabase(t.Context(), "before", "template1"); err != nil {
		t.Fatal(err)
	}
	copied, err := StartCopy(t.Context(), original, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := copied.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := copied.CreateDatabase(t.Context(), "own", "before"); err != nil {
		t.Errorf("write to the copy: %v", err)
	}
	if n := ask(t, original.URL("postgres"), "SELECT count(*)::text FROM pg_database WHERE datname = 'own'"); n != "0" {
		t.Error("the original has the copy's database")
	}
	if n := ask(t, original.URL("postgres"), "SELECT count(*)::text FROM pg_stat_replication"); n != "0" {
		t.Errorf("%s servers follow the original", n)
	}
	if got := ask(t, copied.URL("own"), "SELECT pg_is_in_recovery()::text"); got != "false" {
		t.Errorf("a copy says pg_is_in_recovery() = %s", got)
	}
}
