package schema_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// withScheduler returns a database that has the tables of a scheduler too.
func withScheduler(t *testing.T) (databaseURL string, pool *pgxpool.Pool) {
	t.Helper()
	databaseURL = pgtest.Database(t)
	if _, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return databaseURL, pool
}

func tables(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return pgtest.Query[[]string](t, pool, "SELECT array_agg(table_name::text ORDER BY 1) FROM information_schema.tables WHERE table_schema = 'public'")
}

// The second set comes and goes by itself, and the first one does not go before it.
func TestSchedulerSetUpAndDown(t *testing.T) {
	t.Parallel()
	databaseURL, pool := withScheduler(t)
	for _, name := range []string{
		"afe_special_tasks", "afe_ineligible_host_queues", "afe_recurring_run", "afe_host_queue_entry_start_times", "afe_kernels",
		"afe_parameterized_job_kernels", "django_session", "afe_job_handoffs", "tko_jobs", "tko_tests", "tko_status",
		"afe_static_labels", "afe_static_hosts_labels", "afe_static_host_attributes", "afe_replaced_labels", "afe_drone_sets", "afe_drones",
		"afe_drone_sets_drones", "afe_autotests", "afe_profilers", "afe_stable_versions", "auth_user", "auth_group", "auth_permission",
		"django_content_type", "afe_atomic_groups", "afe_parameterized_jobs", "shard_client_scheduler_migrations",
	} {
		if !slices.Contains(tables(t, pool), name) {
			t.Errorf("no table %s", name)
		}
	}
	if _, err := schema.Down(t.Context(), databaseURL); err == nil || !strings.Contains(err.Error(), "migrate down --with scheduler") {
		t.Errorf("the tables of the client went first: %v", err)
	}
	latest, err := schema.Scheduler.Latest()
	if err != nil {
		t.Fatal(err)
	}
	for range latest {
		if report, err := schema.Scheduler.Down(t.Context(), databaseURL); err != nil || len(report) != 1 {
			t.Fatalf("%v, %v", report, err)
		}
	}
	pgtest.Exec(t, pool, "DROP TABLE shard_client_scheduler_migrations") // goose's own
	if fresh := openPool(t, pgtest.Database(t)); !slices.Equal(tables(t, pool), tables(t, fresh)) {
		t.Errorf("left behind: %v", tables(t, pool))
	}
	if report, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err != nil || len(report) != int(latest) {
		t.Errorf("again: %v, %v", report, err)
	}
}

func openPool(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Without the tables of the client there is nothing to refer to.
func TestSchedulerSetWantsTheClients(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	if _, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err == nil || !strings.Contains(err.Error(), "shard-client migrate up") {
		t.Errorf("%v", err)
	}
	if _, err := schema.Scheduler.Status(t.Context(), databaseURL); err == nil || !strings.Contains(err.Error(), "shard-client migrate up") {
		t.Errorf("status: %v", err)
	}
}

// A role that is no superuser installs it all, in a schema that it owns.
func TestSchedulerSetWithoutSuperuser(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	pool := openPool(t, databaseURL)
	name := "owner_" + pool.Config().ConnConfig.Database
	pgtest.Exec(t, pool, "CREATE ROLE "+name)
	t.Cleanup(func() { _, _ = pool.Exec(t.Context(), "DROP OWNED BY "+name) })
	pgtest.Exec(t, pool, "CREATE SCHEMA theirs AUTHORIZATION "+name)
	as := databaseURL + "&options=-c%20role%3D" + name + "%20-c%20search_path%3Dtheirs"
	if _, err := schema.Up(t.Context(), as); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Scheduler.UpTelling(t.Context(), as, nil); err != nil {
		t.Fatal(err)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_operator WHERE oprname = '=' AND oprnamespace = 'theirs'::regnamespace"); n != 2 {
		t.Errorf("%d operators in the schema, want 2", n)
	}
}

// A role that may make tables beside those of the owner is refused before it makes any: its table
// of versions would shut the owner out.
func TestSchedulerSetWantsTheOwner(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pool := openPool(t, databaseURL)
	name := "other_" + pool.Config().ConnConfig.Database
	pgtest.Exec(t, pool, "CREATE ROLE "+name)
	t.Cleanup(func() { _, _ = pool.Exec(context.Background(), "DROP OWNED BY "+name+"; DROP ROLE "+name) })
	pgtest.Exec(t, pool, "GRANT CREATE ON SCHEMA public TO "+name+"; GRANT SELECT, REFERENCES ON ALL TABLES IN SCHEMA public TO "+name)
	for what, migrate := range map[string]func(string) error{
		"up":   func(url string) error { _, err := schema.Scheduler.UpTelling(t.Context(), url, nil); return err },
		"down": func(url string) error { _, err := schema.Scheduler.Down(t.Context(), url); return err },
	} {
		err := migrate(databaseURL + "&options=-c%20role%3D" + name)
		if refused := new(schema.NotOwnerError); !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_class WHERE relname = 'shard_client_scheduler_migrations'"); n != 0 {
		t.Error("it has made a table of versions")
	}
	if _, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err != nil {
		t.Error(err)
	}
}

// A job has a host once.
func TestSchedulerEntriesOfOneHost(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_hosts (id, hostname) VALUES (3, 'h3'); INSERT INTO afe_jobs (id, created_on) VALUES (7, now());
		INSERT INTO afe_host_queue_entries (job_id, host_id) VALUES (7, 3), (7, NULL), (7, NULL)`)
	_, err := pool.Exec(t.Context(), "INSERT INTO afe_host_queue_entries (job_id, host_id) VALUES (7, 3)")
	if pgErr := new(pgconn.PgError); !asPg(err, &pgErr) || pgErr.Code != "23505" {
		t.Errorf("a second entry of the host: %v", err)
	}
}

// Entries that break the rule already are named, and nothing is made.
func TestSchedulerSetNamesWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pool := openPool(t, databaseURL)
	before := tables(t, pool)
	pgtest.Exec(t, pool, `INSERT INTO afe_hosts (id, hostname) VALUES (3, 'h3'); INSERT INTO afe_jobs (id, created_on) VALUES (7, now());
		INSERT INTO afe_host_queue_entries (job_id, host_id) VALUES (7, 3), (7, 3)`)
	_, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil)
	if err == nil || !strings.Contains(err.Error(), "(job_id, host_id)=(7, 3)") {
		t.Errorf("%v", err)
	}
	pgtest.Exec(t, pool, "DROP TABLE shard_client_scheduler_migrations") // goose's own
	if now := tables(t, pool); !slices.Equal(now, before) {
		t.Errorf("left behind: %v", now)
	}
}

// Tables of these names that are there already are all named, and nothing is made: not even the
// table of versions.
func TestSchedulerSetNamesTheTablesInTheWay(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pool := openPool(t, databaseURL)
	pgtest.Exec(t, pool, "CREATE TABLE tko_jobs (job_idx integer); CREATE VIEW afe_drones AS SELECT 1 AS id; INSERT INTO tko_jobs VALUES (7)")
	made := "SELECT string_agg(c.oid || ' ' || c.relname, ', ' ORDER BY c.oid) FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace"
	before := pgtest.Query[string](t, pool, made)
	_, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil)
	want := "migrate up: these names are taken, by tables that shard-client has not made: afe_drones, tko_jobs: rename them, as their owner, " +
		"or drop them, then try again; rows are copied from the renamed ones afterwards; nothing was changed"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if now := pgtest.Query[string](t, pool, made); now != before {
		t.Errorf("there was %s\nthere is %s", before, now)
	}
	if _, err := schema.Scheduler.Status(t.Context(), databaseURL); err != nil {
		t.Errorf("status: %v", err)
	}
	pgtest.Exec(t, pool, "ALTER TABLE tko_jobs RENAME TO old_jobs; DROP VIEW afe_drones")
	if _, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err != nil {
		t.Errorf("after they are renamed: %v", err)
	}
	pgtest.Exec(t, pool, "INSERT INTO tko_jobs (job_idx, machine_idx) SELECT job_idx, 1 FROM old_jobs")
	if report, err := schema.Scheduler.UpTelling(t.Context(), databaseURL, nil); err != nil || len(report) != 0 {
		t.Errorf("its own tables are in its way: %v, %v", report, err)
	}
}

func asPg(err error, to **pgconn.PgError) bool {
	found, ok := err.(*pgconn.PgError)
	*to = found
	return ok
}

// No statement of the client means anything else beside the dialect: as the body of a function,
// which notes what it depends on, none depends on an operator or a function of the second set.
func TestSchedulerDialectChangesNoStatement(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	if !dependsOnDialect(t, pool, "SELECT id FROM afe_hosts WHERE leased = $1::integer AND NOT isnull(shard_id)") {
		t.Error("a statement in the dialect is not noticed")
	}
	read := 0
	for _, directory := range []string{"sharddb", "sessiondb"} {
		files, err := filepath.Glob("../gen/" + directory + "/*.sql.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile("(?s)const (\\w+) = `(.*?)`\n").FindAllSubmatch(text, -1) {
				read++
				if dependsOnDialect(t, pool, string(found[2])) {
					t.Errorf("%s/%s depends on the dialect", directory, found[1])
				}
			}
		}
	}
	if read < 100 {
		t.Errorf("only %d statements", read)
	}
}

// dependsOnDialect reports whether a statement of one of the client's queries uses an operator or a
// function that the second set has made.
func dependsOnDialect(t *testing.T, pool *pgxpool.Pool, sql string) bool {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	described, err := tx.Prepare(t.Context(), "", sql)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	if !regexp.MustCompile(`(?i)^(--[^\n]*\n|\s)*(SELECT|WITH|INSERT|UPDATE|DELETE|VALUES)\b`).MatchString(sql) {
		return false // SET, BEGIN, LOCK and their like compare nothing; a DO compares names only
	}
	types := pgtest.Query[string](t, tx, "SELECT coalesce(string_agg(p::regtype::text, ', ' ORDER BY n), '') FROM unnest($1::oid[]) WITH ORDINALITY AS u (p, n)", described.ParamOIDs)
	pgtest.Exec(t, tx, "CREATE FUNCTION of_client("+types+") RETURNS void LANGUAGE sql BEGIN ATOMIC "+sql+"; END")
	return pgtest.Query[bool](t, tx, `SELECT EXISTS (SELECT FROM pg_depend AS d
		LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
		LEFT JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
		WHERE d.objid = 'of_client'::regproc AND (o.oprnamespace = 'public'::regnamespace
			OR p.pronamespace = 'public'::regnamespace AND p.proname ~ '^(scheduler_|isnull$|last_insert_id$|group_concat$)'))`)
}
