package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// What others have set for themselves disturbs no command, and no text.
func TestHostileSettingsOfTheDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	pool := open(t, databaseURL)
	for name, value := range map[string]string{
		"statement_timeout": "1ms", "lock_timeout": "1ms", "client_encoding": "LATIN1",
		"idle_in_transaction_session_timeout": "1ms", "default_transaction_read_only": "on",
		"default_transaction_isolation": "serializable", "DateStyle": "SQL,DMY", "TimeZone": "Asia/Kathmandu",
	} {
		pgtest.Exec(t, pool, fmt.Sprintf("ALTER DATABASE %s SET %s = '%s'", pool.Config().ConnConfig.Database, name, value))
	}
	m := master(t, answers(strings.Replace(jobs(1), `"n"`, `"Ž€日"`, 1)))
	commands := map[string]string{"": "", "&default_query_exec_mode=exec": "", "&default_query_exec_mode=cache_describe": ""}
	for more := range commands {
		address := databaseURL + more
		invoke("migrate", "up", "--database-url", address).want(t, exitOK)
		invoke("migrate", "status", "--database-url", address).want(t, exitOK)
		invoke(once(m, address)...).want(t, exitOK)
		invoke("quarantine", "list", "--database-url", address).want(t, exitOK)
	}
	if name := pgtest.Query[string](t, pool, "SELECT name FROM afe_jobs"); name != "Ž€日" {
		t.Errorf("the job is called %q", name)
	}
}

// Tables belong to the schema in which a session finds them. A schema that stands before it in the
// search_path, such as one that was named like the role later on, changes nothing.
func TestTablesAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	first := invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK)
	pgtest.Exec(t, pool, "CREATE SCHEMA shard") // search_path is "$user", public
	relations := func() int { return pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class") }
	before := relations()
	if e := invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK); e.stdout != first.stdout {
		t.Errorf("migrate status says something else: %v", e)
	}
	invoke("migrate", "up", "--database-url", databaseURL).want(t, exitUsage).silent(t).
		says(t, "in schema public", "in schema shard", "search_path=public")
	invoke("migrate", "down", "--database-url", databaseURL).want(t, exitUsage).silent(t).says(t, "search_path=public")
	m := master(t, answers(jobs(1)))
	invoke(once(m, databaseURL)...).want(t, exitOK)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM public.afe_jobs"); n != 1 || relations() != before {
		t.Errorf("%d jobs in public, %d relations, %d before", n, relations(), before)
	}
	// A version table without tables is what an older shard-client has left there.
	pgtest.Exec(t, pool, `CREATE TABLE shard.goose_db_version (LIKE public.goose_db_version INCLUDING ALL);
		INSERT INTO shard.goose_db_version (version_id, is_applied) VALUES (0, true)`)
	invoke(once(m, databaseURL)...).want(t, exitOK)
	invoke("migrate", "up", "--database-url", edit(t, databaseURL, withPath("public"))).want(t, exitOK)
	// A second set is made where it alone is visible.
	second := edit(t, databaseURL, withPath("shard"))
	invoke(once(m, second)...).want(t, exitSchema).says(t, "search_path=public", "migrate up")
	invoke("migrate", "up", "--database-url", second).want(t, exitOK)
	invoke(once(m, second)...).want(t, exitOK)
}

func withPath(path string) func(*url.URL) {
	return func(u *url.URL) { u.RawQuery += "&search_path=" + path }
}

// Without a schema to make them in, no tables are made, and it is said why.
func TestNoSchemaForTheTablesIsTold(t *testing.T) {
	t.Parallel()
	databaseURL := edit(t, pgtest.EmptyDatabase(t), withPath("nowhere"))
	invoke("migrate", "up", "--database-url", databaseURL).want(t, exitUsage).silent(t).says(t, `search_path is "nowhere"`)
	invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK)
}

// To look at the migrations changes nothing, and neither does a refusal.
func TestMigrateStatusWritesNothing(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	pool := open(t, databaseURL)
	before := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class")
	invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK)
	if now := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class"); now != before {
		t.Errorf("%d relations, %d before", now, before)
	}
}

// A database that a newer binary has migrated is told in the same way by every command.
func TestNewerSchemaIsToldByEveryCommand(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	pgtest.Exec(t, pool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	m := master(t, answers(nothing))
	for _, args := range [][]string{
		once(m, databaseURL), runArgs(m, databaseURL), {"quarantine", "list", "--database-url", databaseURL},
		{"migrate", "up", "--database-url", databaseURL}, {"migrate", "down", "--database-url", databaseURL},
	} {
		invoke(args...).want(t, exitSchema).silent(t).says(t, "schema version is 9999", "newer shard-client")
	}
	e := invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK).says(t, "schema version is 9999", "newer shard-client")
	if !strings.Contains(e.stdout, "(of a newer shard-client)") {
		t.Errorf("migrate status: %v", e)
	}
}

// A role that is not let into the schema is told so, and not to make tables.
func TestNoUsageOfTheSchemaIsTold(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	pgtest.Exec(t, owner, "REVOKE USAGE ON SCHEMA public FROM "+leastRole)
	m := master(t, answers(nothing))
	for _, args := range [][]string{
		once(m, databaseURL), runArgs(m, databaseURL), {"quarantine", "list", "--database-url", databaseURL},
		{"migrate", "up", "--database-url", databaseURL}, {"migrate", "status", "--database-url", databaseURL},
	} {
		e := invoke(args...).want(t, exitSchema).silent(t).says(t, "migrate grant "+leastRole)
		if strings.Contains(e.stderr, "run `shard-client migrate up`") {
			t.Errorf("it advises to make tables: %v", e)
		}
	}
}
