package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// Who holds a transaction open is found and ended without SQL.
func TestSessions(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	sessions := func(words ...string) ended {
		return invoke(append(append([]string{"sessions"}, words...), "--database-url", databaseURL)...)
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pgtest.Exec(t, conn, "BEGIN")
	pgtest.Exec(t, conn, "LOCK TABLE goose_db_version, shard_client_owner") // as a migration does
	pgtest.Exec(t, conn, "LOCK TABLE afe_jobs")
	invoke(mend(databaseURL, "list")...).want(t, exitFailed).says(t, "hint: wait until the session that holds the lock ends")
	pid := strconv.Itoa(int(conn.Conn().PgConn().PID()))
	if e := sessions("list").want(t, exitOK); !strings.Contains(e.stdout, "\n"+pid+" ") || !strings.Contains(e.stdout, "a transaction for ") {
		t.Errorf("%v", e)
	}
	if e := sessions("list", "--output=json").want(t, exitOK); !strings.Contains(e.stdout, `"pid":`+pid+`,`) || !strings.Contains(e.stdout, `"query":"LOCK TABLE afe_jobs"`) {
		t.Errorf("%v", e)
	}
	sessions("end", pid).want(t, exitUsage).says(t, "--yes")
	sessions("end", "1", "--yes").want(t, exitFailed).says(t, "sessions list")
	sessions("end", "all", "--yes").want(t, exitUsage)
	sessions("end", pid, "--yes").want(t, exitOK)
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the session goes on")
	}
}

// The session of another role that holds something up is found also by a role that sees neither its
// times nor what kind of backend it is, and only the ending takes more than that.
func TestSessionsOfOthers(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	conn, err := owner.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pgtest.Exec(t, conn, "BEGIN")
	pgtest.Exec(t, conn, "LOCK TABLE afe_hosts IN ROW EXCLUSIVE MODE")
	pid := strconv.Itoa(int(conn.Conn().PgConn().PID()))
	e := invoke("sessions", "list", "--database-url", databaseURL).want(t, exitOK)
	if !regexp.MustCompile(`(?m)^` + pid + ` .* a transaction  `).MatchString(e.stdout) {
		t.Errorf("%v", e)
	}
	invoke("sessions", "end", pid, "--yes", "--database-url", databaseURL).want(t, exitFailed).says(t, "pg_signal_backend")
	checked := invoke("check", "--database-url", databaseURL).stdout
	if !strings.Contains(strings.Join(strings.Fields(checked), " "), "ok sessions no transaction of this role is open for a minute; of 1 of other roles") {
		t.Error(checked)
	}
}
