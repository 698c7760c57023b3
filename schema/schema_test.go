package schema_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// dump is what the catalog says of the schema, a line each. pg_dump would say more, but not every
// package of PostgreSQL has it, and that of an older version refuses the server.
func dump(t *testing.T, url string) string {
	t.Helper()
	return strings.Join(pgtest.Column[string](t, open(t, url), catalog), "\n")
}

// pg_attver is a number that PostgreSQL 15.20 of Debian gives each column anew when it is made.
const catalog = `
SELECT concat_ws(' ', 'table', c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.reloptions::text, c.relacl::text, obj_description(c.oid))
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attname, rank() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
	format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
	a.attstattarget, (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) AS o WHERE NOT starts_with(o, 'pg_attver='))::text, a.attacl::text, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum))
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid), obj_description(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT concat_ws(' ', 'index', indexdef) FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', 'view', viewname, definition) FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', 'rule', tablename, definition) FROM pg_rules WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', 'sequence', to_jsonb(s) - 'last_value') FROM pg_sequences AS s WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proacl::text, obj_description(p.oid), pg_get_functiondef(p.oid))
FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', 'trigger', t.tgenabled, pg_get_triggerdef(t.oid)) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
UNION ALL SELECT concat_ws(' ', 'type', typname, typtype) FROM pg_type WHERE typnamespace = 'public'::regnamespace
ORDER BY 1`

func TestUpDownUpLeavesTheSameSchema(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	first := dump(t, url)
	if !strings.Contains(first, "column afe_jobs shard_id") {
		t.Fatalf("the catalog's words of the schema lack what is known to be there:\n%s", first)
	}
	latest, err := schema.Latest()
	if err != nil {
		t.Fatal(err)
	}
	for range latest {
		if report, err := schema.Down(t.Context(), url); err != nil || len(report) != 1 {
			t.Fatalf("down: %v, %v; want one step", report, err)
		}
	}
	if report, err := schema.Down(t.Context(), url); err != nil || len(report) != 0 {
		t.Fatalf("down on nothing: %v, %v; want nothing done", report, err)
	}
	if left := dump(t, url); strings.Contains(left, "afe_") || strings.Contains(left, "shard_client_") {
		t.Errorf("down leaves something behind:\n%s", left)
	}
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, dump(t, url)); diff != "" {
		t.Errorf("up, down, up (-first +second):\n%s", diff)
	}
}

func TestTwoStartersAreSafe(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	var wg sync.WaitGroup
	steps := make([]schema.Report, 2)
	for i := range steps {
		wg.Go(func() {
			report, err := schema.Up(t.Context(), url)
			if err != nil {
				t.Errorf("starter %d: %v", i, err)
			}
			steps[i] = report
		})
	}
	wg.Wait()
	latest, _ := schema.Latest()
	if n := len(steps[0]) + len(steps[1]); int64(n) != latest {
		t.Errorf("both starters together ran %d migrations, want %d", n, latest)
	}
}

func TestCheck(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	pool := open(t, url)
	var wrong *schema.VersionError
	if err := schema.Check(t.Context(), pool); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "migrate up") {
		t.Errorf("empty database: %v, want a VersionError that says what to run", err)
	}
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), pool); err != nil {
		t.Errorf("migrated database: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), pool); !errors.As(err, &wrong) || wrong.Have != 9999 {
		t.Errorf("newer database: %v, want a VersionError that names it", err)
	}
	if _, err := pool.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 2"); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), pool); !errors.As(err, &wrong) || wrong.Have != 1 {
		t.Errorf("older database: %v, want a VersionError that names it", err)
	}
}

func TestStatus(t *testing.T) {
	url := pgtest.EmptyDatabase(t)
	before, err := schema.Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	latest, _ := schema.Latest()
	if int64(len(before)) != latest || before[0].AppliedAt != nil {
		t.Errorf("before: %+v, want %d pending migrations", before, latest)
	}
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	after, err := schema.Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range after {
		if m.AppliedAt == nil {
			t.Errorf("%s is pending after up", m.Name)
		}
	}
}

// The tables and columns of docs/protocol.md, "Tables": tools written for Autotest rely on them.
func TestAutotestTables(t *testing.T) {
	pool := open(t, pgtest.Database(t))
	want := map[string]string{
		"afe_shards":                     "id hostname",
		"afe_labels":                     "id name kernel_config platform invalid only_if_needed atomic_group_id?",
		"afe_shards_labels":              "id shard_id label_id",
		"afe_users":                      "id login access_level reboot_before reboot_after drone_set_id? show_experimental",
		"afe_acl_groups":                 "id name description",
		"afe_acl_groups_users":           "id aclgroup_id user_id",
		"afe_acl_groups_hosts":           "id aclgroup_id host_id",
		"afe_hosts":                      "id hostname locked leased synch_id? status invalid protection lock_time? dirty lock_reason? locked_by_id? shard_id?",
		"afe_hosts_labels":               "id host_id label_id",
		"afe_host_attributes":            "id host_id attribute value",
		"afe_jobs":                       "id owner name priority control_file? control_type created_on synch_count timeout run_verify email_list reboot_before reboot_after parse_failed_repair max_runtime_hrs max_runtime_mins drone_set_id? parameterized_job_id? parent_job_id? test_retry run_reset timeout_mins shard_id? require_ssp?",
		"afe_jobs_dependency_labels":     "id job_id label_id",
		"afe_job_keyvals":                "id job_id key value",
		"afe_host_queue_entries":         "id job_id host_id? status meta_host? active complete deleted execution_subdir atomic_group_id? aborted started_on? finished_on?",
		"afe_aborted_host_queue_entries": "queue_entry_id aborted_by_id aborted_on",
	}
	got := map[string]string{}
	rows, err := pool.Query(t.Context(), `
		SELECT table_name, string_agg(column_name || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END, ' ' ORDER BY ordinal_position)
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'afe\_%' GROUP BY table_name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		got[table] = columns
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}
