//go:build mariadb

package move_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
)

// The first completion of a half-uploaded job does not go twice. The other one goes though nobody
// writes a NULL, and so it does from MySQL after a way back.
func TestOtherCompletionArrivesWithoutNull(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	uploads := func() bool {
		t.Helper()
		packet := client(t, "packet", "--shard-hostname", "shard7.example", "--database-url", database).want(t, 0).stdout
		return strings.Contains(packet, `"name":"half"`)
	}
	if uploads() {
		t.Error("the first completion goes again")
	}
	pgtest.Query[int](t, pool(t, database), "UPDATE afe_host_queue_entries SET complete = true, active = false, status = 'Completed' WHERE id = 1002 RETURNING 1")
	if !uploads() {
		t.Error("the other completion does not go")
	}
	client(t, "export", "--to", old.address(), "--database-url", database, "--dry-run").want(t, 0, "dry run", "waiting for upload (2): 101,102")
	const asks = "SELECT shard_id FROM afe_jobs WHERE id = 101"
	if got := old.ask(asks); got != "7" {
		t.Errorf("the dry run left shard_id %s", got)
	}
	client(t, "export", "--to", old.address(), "--database-url", database).want(t, 0)
	if got := old.ask(asks + " UNION ALL SELECT complete FROM afe_host_queue_entries WHERE id = 1002"); got != "NULL\n1" {
		t.Errorf("shard_id and complete are %q in MySQL", got)
	}
	if got := old.ask("SELECT parent_job_id FROM afe_jobs WHERE id = 100 UNION ALL SELECT lock_time FROM afe_hosts WHERE id = 11"); got != "90\n2019-03-10 02:30:00" {
		t.Errorf("what nobody changed here is %q in MySQL", got)
	}
}

func pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func change(t testing.TB, db *pgxpool.Pool, statement string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Nothing is imported from a wrong place, or beside a client, and each refusal says what to do and
// shows no password.
func TestImportRefuses(t *testing.T) {
	old := newOldShard(t)
	database := pgtest.Database(t)
	into := func(args ...string) ended {
		t.Helper()
		return client(t, append([]string{"import", "--database-url", database}, args...)...)
	}
	into().want(t, 2, "--from: it is missing: give mysql://")
	into("--from", "postgres://u:CANARY@h/d").want(t, 2, "--from: it does not begin with mysql://")
	into("--from", "mysql://u:CANARY@h:nonsense/d").want(t, 2, "--from: it is no URL")
	into("--from", "mysql://u:CANARY@h").want(t, 2, "it names no database")
	into("--from", "mysql://u:CANARY@h/d?tls=yes").want(t, 2, "--from: its tls is unknown: give true, false, skip-verify or preferred")
	into("--from", "mysql://u:CANARY@h/d?tls-ca=/none").want(t, 2, "--from: its tls-ca cannot be read (open /none: no such file or directory): give a file of certificates")
	into("--from", "mysql://u:CANARY@h/d?tls-ca=/etc/hostname").want(t, 2, "--from: its tls-ca /etc/hostname holds no certificate: give that of the authority")
	into("--from", "mysql://u@h/d", "--mysql-password-file", "/none").want(t, 2, "--mysql-password-file: it cannot be read (open /none: no such file or directory): give a file")
	into("--from", "mysql://u:CANARY@h/d?ssl=1").want(t, 2, `its parameter "ssl" is unknown`)
	into("--from", strings.Replace(old.address(), "CANARY", "wrongCANARY", 1)).want(t, 1, "Access denied")
	into("--from", strings.Replace(old.address(), "/shard", "/mysql?x=", 1)).want(t, 2)

	// The password comes from elsewhere, and the address from Autotest's file.
	bare := strings.Replace(old.address(), ":CANARY", "", 1)
	into("--from", bare).want(t, 1, "Access denied")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	into("--from", bare, "--mysql-password-file", file, "--dry-run").want(t, 0)
	t.Setenv("MYSQL_PWD", "CANARY")
	t.Setenv("SHARD_CLIENT_IMPORT_FROM", bare)
	into("--dry-run").want(t, 0)
	t.Setenv("SHARD_CLIENT_IMPORT_FROM", "")
	shadow := filepath.Join(t.TempDir(), "shadow_config.ini")
	if err := os.WriteFile(shadow, []byte("[AUTOTEST_WEB]\nhost: 127.0.0.1\nport: 1\ndatabase: d\nuser: u\npassword: CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	into("--autotest-config", shadow).want(t, 1, "read MySQL at 127.0.0.1:1")
	if err := os.WriteFile(shadow, []byte("[AUTOTEST_WEB]\nhost: localhost\ndatabase: d\nuser: u\npassword: CANARY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client(t, "import", "--autotest-config", shadow).want(t, 2, "--database-url", "which is the MySQL to move from")

	held, err := lock.New(pool(t, database), "somebody")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	into("--from", old.address()).want(t, 3, "somebody", "stop it first")
	held.Release(t.Context())
	separator := "?"
	if strings.Contains(database, "?") {
		separator = "&"
	}
	client(t, "import", "--database-url", database+separator+"options=-c%20role%3Dpg_monitor", "--from", old.address()).
		want(t, 1, "connect as the role that owns the tables")
	client(t, "import", "--database-url", pgtest.EmptyDatabase(t), "--from", old.address()).want(t, 4, "migrate up")
}

// An export wants a MySQL that can take it back.
func TestExportWantsTransactions(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	old.do("ALTER TABLE afe_job_keyvals ENGINE = MyISAM")
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	client(t, "export", "--to", old.address(), "--database-url", database).want(t, 1, "afe_job_keyvals of MySQL knows no transactions")
}

// An import that fails leaves nothing, and works when it is started again.
func TestImportBeginsAgain(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	db := pool(t, database)
	if _, err := db.Exec(t.Context(), "ALTER TABLE afe_host_queue_entries ADD CONSTRAINT fails CHECK (id <> 1003)"); err != nil {
		t.Fatal(err)
	}
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 1, "afe_host_queue_entries", "fails")
	if n := pgtest.Query[int](t, db, "SELECT count(*) FROM afe_hosts"); n != 0 {
		t.Errorf("%d hosts are left", n)
	}
	if _, err := db.Exec(t.Context(), "ALTER TABLE afe_host_queue_entries DROP CONSTRAINT fails"); err != nil {
		t.Fatal(err)
	}
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0, "the same jobs wait for their upload")
}

// A large table moves in pieces, each row once.
func TestAllMovesInPieces(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	old.do("INSERT INTO afe_job_keyvals SELECT 3 * seq, 100, 'n', seq FROM seq_100_to_2599")
	old.do("INSERT INTO afe_job_keyvals VALUES (-7, 100, 'n', 7)")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database, "--all").want(t, 0, "afe_job_keyvals                          2505       2505          0")
	const rows = "SELECT count(*) || ' ' || sum(id) FROM afe_job_keyvals"
	if got, want := pgtest.Query[string](t, pool(t, database), rows), strings.Replace(old.ask("SELECT COUNT(*), SUM(id) FROM afe_job_keyvals"), "|", " ", 1); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	client(t, "import", "--from", old.address(), "--database-url", database, "--all").want(t, 0, "everything of this MySQL is here already")
}

// What somebody holds in MySQL is waited for, and then named as the cause.
func TestExportMeetsALock(t *testing.T) {
	t.Parallel()
	server, err := startMariaDB("--innodb-lock-wait-timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	old := server.shard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0)
	change(t, pool(t, database), "UPDATE afe_hosts SET status = 'Verifying'")
	old.do("START TRANSACTION")
	old.do("UPDATE afe_hosts SET status = 'Running'")
	client(t, "export", "--to", old.address(), "--database-url", database).want(t, 1, "write afe_hosts: id 10: ", "Lock wait timeout exceeded", "hint: stop the Python client and the scheduler on MySQL")
	old.do("ROLLBACK")
	client(t, "export", "--to", old.address(), "--database-url", database).want(t, 0)
}

// The scheduler's open tasks, blocks and drones move where PostgreSQL has its tables.
func TestSchedulersTablesMove(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	old.do("INSERT INTO afe_drones VALUES (3, 'drone1')")
	old.do("CREATE TABLE tko_status (status_idx int PRIMARY KEY, word varchar(10))") // migrate up has filled it
	old.do("INSERT INTO tko_status VALUES (1, 'NOSTATUS')")
	database := pgtest.Database(t)
	client(t, "migrate", "up", "--with", "scheduler", "--database-url", database).want(t, 0)
	client(t, "import", "--from", old.address(), "--database-url", database, "--all", "--dry-run").want(t, 0)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0,
		"afe_special_tasks.queue_entry_id: names a row of afe_host_queue_entries that is not there: 1")
	const rows = `SELECT (SELECT string_agg(id || task || time_requested, ',') FROM afe_special_tasks) || ' '
		|| (SELECT string_agg(job_id || ':' || host_id, ',') FROM afe_ineligible_host_queues) || ' ' || (SELECT hostname FROM afe_drones)`
	if got, want := pgtest.Query[string](t, pool(t, database), rows), "1Repair2019-03-10 02:30:00 100:11 drone1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Who else is connected is named: a client or a scheduler that goes on writes into one database.
func TestMoveNamesWhoIsConnected(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	if out := client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0).stdout; strings.Contains(out, "connected meanwhile") {
		t.Errorf("nobody is connected: %s", out)
	}
	scheduler := old.server.connect(t, old.name, "CANARY", old.name)
	if err := scheduler.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0, "connected meanwhile: "+old.name+"@localhost to MySQL, sessions: 1\n")
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["application_name"] = "monitor_db"
	monitor, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(monitor.Close)
	change(t, monitor, "SELECT 1")
	client(t, "export", "--to", old.address(), "--database-url", database, "--dry-run").want(t, 0,
		old.name+"@localhost to MySQL, sessions: 1; ", "(monitor_db) to PostgreSQL, sessions: 1", "see that no client and no scheduler is among them")
}
