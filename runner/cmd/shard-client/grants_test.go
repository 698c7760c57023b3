package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// leastRole is the role that docs/grants.sql names.
const leastRole = "shard_client"

// Roles belong to the server, rights to a database: one role serves all tests.
var roleOnce sync.Once

// grantsFile is docs/grants.sql, for a database of the test, as psql sends it.
func grantsFile(t testing.TB, database string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "grants.sql"))
	if err != nil {
		t.Fatal(err)
	}
	content = regexp.MustCompile(`(?m)^ *\\.*\n`).ReplaceAll(content, nil)
	return strings.NewReplacer(`:"DBNAME"`, database, `:"role"`, leastRole).Replace(string(content))
}

// leastRights returns a migrated database that is closed to PUBLIC, by its address for a role with
// the rights of docs/grants.sql and by a pool of its owner.
func leastRights(t testing.TB) (databaseURL string, owner *pgxpool.Pool) {
	t.Helper()
	ownerURL, owner := database(t)
	roleOnce.Do(func() { pgtest.Exec(t, owner, "CREATE ROLE "+leastRole+" LOGIN") })
	name := owner.Config().ConnConfig.Database
	pgtest.Exec(t, owner, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC")
	pgtest.Exec(t, owner, "REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC")
	invoke("migrate", "grant", leastRole, "--database-url", ownerURL).want(t, exitOK)
	return asLeast(t, ownerURL), owner
}

// Only the owner gives rights, to a role that is there, and never takes his own.
func TestMigrateGrantRefuses(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	ownerURL := owner.Config().ConnString()
	grant := func(role, databaseURL string) ended {
		return invoke("migrate", "grant", role, "--database-url", databaseURL)
	}
	grant(owner.Config().ConnConfig.User, ownerURL).want(t, exitFailed).says(t, "owns the tables")
	grant(`no "such`, ownerURL).want(t, exitFailed).says(t, `CREATE ROLE "no ""such" LOGIN`)
	invoke("migrate", "grant", "--database-url", ownerURL).want(t, exitUsage)
	for _, e := range []ended{
		grant("pg_monitor", databaseURL), invoke("migrate", "down", "--database-url", databaseURL),
	} {
		e.want(t, exitFailed).says(t, "connect as the role that owns the tables")
	}
}

// asLeast is a database's address for the role.
func asLeast(t testing.TB, ownerURL string) string {
	t.Helper()
	return edit(t, ownerURL, func(u *url.URL) {
		query := u.Query()
		query.Set("user", leastRole)
		u.RawQuery = query.Encode()
	})
}

// copyOf is leastRights for a database that was leastRights before, with what has come into it
// since. The rights on a database itself are not copied with it.
func copyOf(t testing.TB, databaseURL string) (copyURL string, owner *pgxpool.Pool) {
	t.Helper()
	ownerURL := pgtest.Clone(t, databaseURL)
	owner = open(t, ownerURL)
	name := owner.Config().ConnConfig.Database
	onDatabase := regexp.MustCompile("GRANT [A-Z, ]+ ON DATABASE [^;]+;").FindString(grantsFile(t, name))
	pgtest.Exec(t, owner, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC; "+onDatabase)
	return asLeast(t, ownerURL), owner
}

// The rights of docs/grants.sql suffice for all that a client does: the recorded conversation, an
// upload in parts, objects set aside, limits of history and quarantine, the refusal of a second
// client.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	m := master(t, nil)
	for _, e := range recording(t) {
		before, err := replay.ReadSnapshot(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		if err := before.WriteAsScheduler(t.Context(), owner, e.After); err != nil {
			t.Fatal(err)
		}
		m.says(e.Response)
		if err := permitted(invoke(once(m, databaseURL, "--protocol=2019")...)); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		after, err := replay.ReadSnapshot(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		if diff := after.Diff(e.After); diff != "" {
			t.Errorf("%s: database (-recorded +stored):\n%s", e.Name, diff)
		}
	}
	beforeErrand(t, owner)
	if err := errand(t, databaseURL, owner); err != nil {
		t.Error(err)
	}
	if n := pgtest.Query[int](t, owner, "SELECT count(*) FROM shard_client_heartbeats"); n != 2 {
		t.Errorf("%d beats in the history, want the two that are kept", n)
	}
	for _, command := range []string{"status", "history"} {
		if err := permitted(invoke(command, "--database-url", databaseURL)); err != nil {
			t.Error(err)
		}
	}
	checked := invoke("check", "--shard-hostname", ourShard, "--master", m.URL, "--database-url", databaseURL).stdout
	for _, name := range []string{"database ", "tables   ", "rights   ", "lock     ", "copy     ", "sessions ", "strangers"} {
		if !strings.Contains(checked, "ok      "+name) {
			t.Errorf("%s is not ok:\n%s", name, checked)
		}
	}
	release := make(chan struct{})
	m = master(t, hangs(release, answers(nothing)))
	first := startRun(t, m, databaseURL)
	wait.Until(t, "for the first client's request", func() bool { return len(m.received()) == 1 })
	invoke(once(m, databaseURL)...).want(t, exitHeld).says(t, fmt.Sprintf("pid %d", first.Process.Pid))
	close(release)
	first.stop()
}

// Each right of docs/grants.sql is needed: without it, a step fails.
func TestEachRightIsNeeded(t *testing.T) {
	t.Parallel()
	rights := rights(t)
	// An errand that fails with all rights proves nothing about a single one.
	originalURL, owner := leastRights(t)
	beforeErrand(t, owner)
	owner.Close()
	if databaseURL, owner := copyOf(t, originalURL); errand(t, databaseURL, owner) != nil {
		t.Fatal("the rights of docs/grants.sql do not suffice; see TestLeastRights")
	}
	for _, right := range rights {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			databaseURL, owner := copyOf(t, originalURL)
			right := strings.Replace(right, "DATABASE autotest", "DATABASE "+owner.Config().ConnConfig.Database, 1)
			pgtest.Exec(t, owner, "REVOKE "+right+" FROM "+leastRole)
			if err := errand(t, databaseURL, owner); err == nil {
				t.Errorf("nothing fails without %s: take it out of docs/grants.sql", right)
			}
		})
	}
}

// rights returns the rights in the file one by one: a privilege on an object, for each column where
// it names columns.
func rights(t *testing.T) []string {
	t.Helper()
	grant := regexp.MustCompile(`(?m)^GRANT ([^;]+?)\s+ON ([^;]+) TO ` + leastRole + `;$`)
	privilege := regexp.MustCompile(`([A-Z]+)(?: \(([^)]+)\))?`)
	file := grantsFile(t, "autotest")
	statements := grant.FindAllStringSubmatch(file, -1)
	if n := strings.Count(file, "\nGRANT "); n == 0 || n != len(statements) {
		t.Fatalf("%d of %d GRANTs were understood", len(statements), n)
	}
	var rights []string
	for _, statement := range statements {
		for _, one := range privilege.FindAllStringSubmatch(statement[1], -1) {
			for _, column := range strings.Split(one[2], ", ") {
				right := one[1]
				if column != "" {
					right += " (" + column + ")"
				}
				rights = append(rights, right+" ON "+statement[2])
			}
		}
	}
	slices.Sort(rights)
	if unique := slices.Compact(slices.Clone(rights)); len(unique) != len(rights) {
		t.Errorf("a right is granted twice")
	}
	return rights
}

// permitted returns an error when a start of shard-client failed, or was denied something. The log
// is searched too, because a beat is ok even when it could not be recorded.
func permitted(e ended) error {
	if e.code != exitOK || strings.Contains(e.stderr+e.stdout, "permission denied") {
		return errors.New(e.String())
	}
	return nil
}

// beforeErrand stores what an errand needs.
func beforeErrand(t *testing.T, owner *pgxpool.Pool) {
	t.Helper()
	pgtest.Exec(t, owner, `INSERT INTO afe_shards (id, hostname) VALUES (90, 'old.example');
		INSERT INTO afe_labels (id, name) VALUES (90, 'board:x');
		INSERT INTO afe_acl_groups (id, name) VALUES (90, 'team');
		INSERT INTO afe_users (id, login) VALUES (90, 'ada');
		INSERT INTO afe_hosts (id, hostname, invalid, shard_id) VALUES (90, 'h91', true, 90);
		INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (90, 90);
		INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (90, 90);
		INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (90, 'a', 'b');
		INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (900, '2019-03-15', NULL), (901, '2019-03-15', NULL), (902, '2019-03-15', NULL);
		INSERT INTO afe_host_queue_entries (id, job_id, status, complete) VALUES
			(9000, 900, 'Completed', true), (9001, 900, 'Running', false), (9010, 901, 'Completed', true);
		INSERT INTO afe_shards (id, hostname) VALUES (89, '`+ourShard+`') ON CONFLICT DO NOTHING`)
}

// errand runs every statement of the client once: names that give way, uploads with an open entry
// and without, all kinds of objects (good, bad, mended, under an id that is taken), incorrect
// hosts, pruning. It begins with beforeErrand, and returns the error of the first step that fails.
func errand(t *testing.T, databaseURL string, owner *pgxpool.Pool) error {
	t.Helper()
	m := master(t, nil)
	again := strings.NewReplacer(
		`"owner": 7`, `"owner": "o"`,
		`[{"id": 1, "job_id": 910, "key": "k", "value": "v"}]`, `[]`,
		`"meta_host": {"id": 91, "name": "board:x"}`, `"meta_host": null`,
	).Replace(errandAnswer)
	for _, answer := range []string{errandAnswer, again} {
		m.says(answers(answer))
		if err := permitted(invoke(once(m, databaseURL, "--history-keep=2", "--quarantine-keep=2")...)); err != nil {
			return err
		}
		pgtest.Exec(t, owner, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed' WHERE id = 9001")
	}
	pgtest.Exec(t, owner, "UPDATE afe_host_queue_entries SET complete = false WHERE id = 9001")
	if err := refusedErrand(t, databaseURL, owner); err != nil {
		return err
	}
	return permitted(invoke("quarantine", "list", "--database-url", databaseURL))
}

// refusedErrand has a finished job refused by a master that gives no reason, until the search has
// found and set it aside, and once more when it is tried again. Each time the ledger is settled.
func refusedErrand(t *testing.T, databaseURL string, owner *pgxpool.Pool) error {
	t.Helper()
	const atMost = 10
	m := masterThat(t, func(_ int, body []byte) http.Handler {
		if bytes.Contains(body, []byte(`"jobs":[{`)) {
			return page(http.StatusInternalServerError, "<html>")
		}
		return answers(nothing)
	})
	for range atMost {
		pgtest.Exec(t, owner, "UPDATE shard_client_quarantine SET retry_at = now() WHERE direction = 'out'")
		pgtest.Exec(t, owner, "UPDATE afe_jobs SET shard_id = NULL WHERE id = 900")
		e := invoke(once(m, databaseURL, "--history-keep=2", "--quarantine-keep=9")...)
		if strings.Contains(e.stderr+e.stdout, "permission denied") {
			return errors.New(e.String())
		}
		const asides = "SELECT coalesce(max(occurrences), 0)::int FROM shard_client_quarantine WHERE direction = 'out' AND kind = 'job'"
		if pgtest.Query[int](t, owner, asides) == 2 {
			return nil
		}
	}
	return fmt.Errorf("the refused job was not set aside twice within %d beats", atMost)
}

const errandAnswer = `{
	"hosts": [{"id": 91, "hostname": "h91", "shard": {"id": 91, "hostname": "old.example"}, "labels": [{"id": 91, "name": "board:x"}],
		"aclgroup_set": [{"id": 91, "name": "team", "users": [{"id": 91, "login": "ada"}]}],
		"hostattribute_set": [{"id": 1, "host_id": 91, "attribute": "a", "value": "b"}]}],
	"jobs": [
		{"id": 910, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "shard": {"id": 91, "hostname": "old.example"},
			"dependency_labels": [{"id": 91, "name": "board:x"}], "jobkeyval_set": [{"id": 1, "job_id": 910, "key": "k", "value": "v"}],
			"hostqueueentry_set": [{"id": 9100, "status": "Queued", "host_id": 91, "meta_host": {"id": 91, "name": "board:x"}}]},
		{"id": 902, "owner": "another", "name": "n", "created_on": "2019-03-15T11:30:15", "hostqueueentry_set": []},
		{"id": 911, "owner": 7, "name": "n", "created_on": "2019-03-15T11:30:15", "hostqueueentry_set": []},
		{"owner": 7, "name": "no id", "created_on": "2019-03-15T11:30:15", "hostqueueentry_set": []}],
	"suite_keyvals": [{"id": 2, "job_id": 1, "key": "k", "value": "v"}],
	"incorrect_host_ids": [90]}`

// The role can do nothing beyond its rights.
func TestLeastRightsAreFew(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	pgtest.Exec(t, owner, "INSERT INTO afe_jobs (id, created_on) VALUES (1, '2019-03-15')")
	pgtest.Exec(t, owner, "INSERT INTO afe_host_queue_entries (id, job_id) VALUES (1, 1)")
	role := open(t, databaseURL)
	statements := []string{
		"INSERT INTO afe_aborted_host_queue_entries (queue_entry_id, aborted_by_id, aborted_on) VALUES (1, 1, now())",
		"SELECT FROM afe_aborted_host_queue_entries",
		"DELETE FROM afe_aborted_host_queue_entries",
		"UPDATE afe_aborted_host_queue_entries SET aborted_by_id = 1",
		"UPDATE afe_host_queue_entries SET status = 'Completed'",
		"UPDATE afe_host_queue_entries SET complete = true",
		"DELETE FROM afe_host_queue_entries",
		"UPDATE afe_hosts SET status = 'Ready'", "UPDATE afe_hosts SET locked = true", "DELETE FROM afe_hosts",
		"UPDATE afe_jobs SET control_file = ''", "DELETE FROM afe_jobs", "DELETE FROM afe_users",
		"UPDATE shard_client_heartbeats SET outcome = 'ok'", "UPDATE goose_db_version SET version_id = 9999",
		"CREATE TABLE mine (id int)", "CREATE SCHEMA mine",
	}
	tables := pgtest.Query[string](t, owner, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
	for _, table := range strings.Fields(tables) {
		statements = append(statements, "DROP TABLE "+table+" CASCADE", "TRUNCATE "+table+" CASCADE", "ALTER TABLE "+table+" RENAME TO mine")
	}
	for _, sql := range statements {
		_, err := role.Exec(t.Context(), sql)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "42501" {
			t.Errorf("%s: %v, want it not permitted", sql, err)
		}
	}
	// Only the owner migrates; others may look at the migrations.
	invoke("migrate", "status", "--database-url", databaseURL).want(t, exitOK)
	invoke("migrate", "down", "--database-url", databaseURL).want(t, exitFailed).says(t, "SQLSTATE 42501")
	fresh := edit(t, pgtest.EmptyDatabase(t), func(u *url.URL) { u.RawQuery += "&user=" + leastRole })
	invoke("migrate", "up", "--database-url", fresh).want(t, exitFailed).says(t, "permission denied")
}
