package schema_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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
		"afe_special_tasks", "afe_ineligible_host_queues", "django_session", "afe_job_handoffs", "tko_jobs", "tko_tests", "tko_status",
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

// Rows that come with their ids move the identities of these tables, too.
func TestSchedulerIdentitiesPassTheHighestID(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h'); INSERT INTO afe_users (id, login) VALUES (1, 'u');
		INSERT INTO afe_special_tasks (id, host_id, task, requested_by_id, time_requested) VALUES (700, 1, 'Verify', 1, now())`)
	id := pgtest.Query[int64](t, pool, `INSERT INTO afe_special_tasks (host_id, task, requested_by_id, time_requested)
		VALUES (1, 'Reset', 1, now()) RETURNING id`)
	if id != 701 {
		t.Errorf("the next id is %d, want 701", id)
	}
}

// The examples of docs/scheduler.md: a statement that runs as it is, or one in PostgreSQL's words
// that a module for Django has to make of the other.
func TestSchedulersStatements(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/scheduler.md")
	if err != nil {
		t.Fatal(err)
	}
	_, pool := withScheduler(t)
	pgtest.Exec(t, pool, `INSERT INTO afe_shards (id, hostname) VALUES (1, 's'); INSERT INTO afe_hosts (id, hostname) VALUES (3, 'h3');
		INSERT INTO afe_labels (id, name) VALUES (4, 'board:eve'), (5, 'pool:bvt'); INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (3, 4), (3, 5);
		INSERT INTO afe_users (id, login) VALUES (1, 'u');
		INSERT INTO afe_jobs (id, created_on, timeout_mins) VALUES (7, now() - interval '2 hours', 60), (8, now(), 60);
		INSERT INTO afe_host_queue_entries (id, job_id, host_id, status) VALUES (70, 7, 3, 'Queued'), (80, 8, NULL, 'Queued')`)
	plain := openPool(t, pgtest.Database(t)) // without the dialect
	ran := 0
	for _, example := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for _, one := range strings.Split(strings.TrimSpace(example[1]), ";\n") {
			_, refused := strings.CutPrefix(one, "-- refused\n")
			_, taught := strings.CutPrefix(one, "-- taught\n")
			err := run(t, pool, one)
			if refused != (err != nil) {
				t.Errorf("refused: %t, want %t: %v\n%s", err != nil, refused, err, one)
			}
			if taught && run(t, plain, one) == nil {
				t.Errorf("this runs without the dialect:\n%s", one)
			}
			ran++
		}
	}
	if ran < 20 {
		t.Errorf("only %d statements", ran)
	}
}

// run runs a statement, and takes back what it did.
func run(t *testing.T, pool *pgxpool.Pool, sql string) error {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// What the dialect answers is what MariaDB answers.
func TestSchedulerDialect(t *testing.T) {
	t.Parallel()
	_, pool := withScheduler(t)
	for sql, want := range map[string]string{
		"SELECT (true = 1) || ' ' || (1 = true) || ' ' || (true = 0) || ' ' || (false = 0) || ' ' || (true <> 0) || ' ' || (0 <> true)": "true true false true true true",
		"SELECT coalesce((NULL::boolean = 1)::text, 'null')":                                                                            "null",
		"SELECT (true = 2) || ' ' || (false <> 2)":                                                                                      "false true",
		"SELECT isnull(NULL::bigint) || ' ' || isnull(0)":                                                                               "true false",
		"SELECT group_concat(x) FROM (VALUES ('a'), (NULL), ('b'), ('')) AS v (x)":                                                      "a,b,",
		"SELECT group_concat(x ORDER BY x DESC) FROM (VALUES (1), (NULL), (12)) AS v (x)":                                               "12,1",
		"SELECT coalesce(group_concat(x), 'null') FROM (SELECT NULL::text) AS v (x)":                                                    "null",
		"SELECT group_concat(DISTINCT x) FROM (VALUES ('b'), ('a'), ('b')) AS v (x)":                                                    "a,b",
		"SELECT last_insert_id()::text":                                                                                                 "0",
	} {
		conn, err := pgx.Connect(t.Context(), pool.Config().ConnString())
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
		}
		_ = conn.Close(t.Context())
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	pgtest.Exec(t, tx, "INSERT INTO afe_labels (id, name) VALUES (41, 'given')")
	made := pgtest.Query[int64](t, tx, "INSERT INTO afe_labels (name) VALUES ('made') RETURNING id")
	if last := pgtest.Query[int64](t, tx, "SELECT last_insert_id()"); last != made || made != 42 {
		t.Errorf("last_insert_id() is %d after id %d, want 42", last, made)
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
