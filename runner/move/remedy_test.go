//go:build mariadb

package move_test

import (
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// Whatever is wrong with MySQL, with PostgreSQL, or with what is in them, the message names it, and
// below stands what to do. All of it is provoked on the built program.
func TestEachErrorHasARemedy(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	database := pgtest.Database(t)
	bare := strings.Replace(old.address(), ":CANARY", "", 1)
	port := private.listen(t)
	const nobody = "127.0.0.1:1" // a closed port may be another test's meanwhile

	read := func(from string) ended {
		t.Helper()
		return client(t, "import", "--dry-run", "--database-url", database, "--from", from)
	}
	says := func(e ended, cause, remedy string) {
		t.Helper()
		e.want(t, 1, cause)
		lines := strings.Split(strings.TrimSuffix(e.stderr, "\n"), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "hint: "+remedy) || strings.Count(e.stderr, "hint: ") != 1 || e.stdout != "" {
			t.Errorf("want the remedy %q below:\n%s%s", remedy, e.stdout, e.stderr)
		}
	}
	// The way to MySQL.
	says(read("mysql://u@"+nobody+"/d"), "read MySQL at "+nobody, "start MySQL, or correct host and port in its URL")
	says(read("mysql://u@localhost:99999/d"), "invalid port", "correct the port in the URL of MySQL")
	says(read("mysql://u@nowhere.invalid/d"), "nowhere.invalid", "correct the host name in the URL of MySQL")
	says(read("mysql://u@localhost/d?socket="+filepath.Join(t.TempDir(), "none")), "no such file", "start MySQL, or correct the socket in the URL")
	says(read(strings.Replace(old.address(), "CANARY", "wrongCANARY", 1)), "Access denied for user '"+old.name+"'@'localhost' (using password: YES)", "correct user and password")
	says(read(bare), "(using password: NO)", "correct user and password (--mysql-password-file, MYSQL_PWD or the URL)")
	says(read("mysql://stranger:CANARY@localhost:"+port+"/"+old.name), "Access denied", "correct user and password")
	says(read(strings.Replace(old.address(), "/"+old.name+"?", "/nonsense?", 1)), "nonsense", "correct the name of the database in the URL, or grant")
	old.do("GRANT ALL ON *.* TO " + old.name + "_all@localhost IDENTIFIED BY 'CANARY'")
	says(read("mysql://"+old.name+"_all:CANARY@localhost:"+port+"/nonsense"), "Unknown database 'nonsense'", "correct the name of the database in the URL")
	says(read("mysql://"+old.name+"_all:CANARY@localhost:"+port+"/mysql"), "shows no table afe_shards", "name the right database in the URL, or grant")

	// What is in it.
	old.do("CREATE USER " + old.name + "_few@localhost IDENTIFIED BY 'CANARY'")
	few := "mysql://" + old.name + "_few:CANARY@localhost:" + port + "/" + old.name
	old.do("GRANT SELECT ON " + old.name + ".afe_jobs TO " + old.name + "_few@localhost")
	says(read(few), "shows no table afe_shards", "name the right database in the URL, or grant the user SELECT on all of its tables")
	old.do("GRANT INSERT ON " + old.name + ".* TO " + old.name + "_few@localhost")
	says(read(few), "SELECT command denied", "grant the user SELECT on all tables")
	old.do("GRANT SELECT ON " + old.name + ".* TO " + old.name + "_few@localhost")
	read(few).want(t, 0)
	old.do("ALTER TABLE afe_jobs RENAME COLUMN created_on TO made_on")
	says(read(old.address()), "afe_jobs of MySQL has no column created_on", "bring MySQL to the tables that Autotest of 2015 or newer has")
	old.do("ALTER TABLE afe_jobs RENAME COLUMN made_on TO created_on, RENAME COLUMN shard_id TO shard")
	says(read(old.address()), "Unknown column 'shard_id'", "bring MySQL to the tables")
	old.do("ALTER TABLE afe_jobs RENAME COLUMN shard TO shard_id")
	old.do("ALTER TABLE afe_hosts MODIFY synch_id varchar(10)")
	old.do("ALTER TABLE afe_job_keyvals MODIFY id bigint unsigned")
	old.do("UPDATE afe_hosts SET synch_id = 'seven' WHERE id = 13")
	says(read(old.address()), "move afe_hosts: id 13: synch_id is no bigint: 'seven'", "mend this row in MySQL")
	old.do("UPDATE afe_hosts SET synch_id = NULL WHERE id = 13")
	old.do("INSERT INTO afe_job_keyvals VALUES (18446744073709551615, 100, 'far', '')")
	says(read(old.address()), "move afe_job_keyvals: id 18446744073709551615: id is no bigint", "mend this row in MySQL")
	old.do("DELETE FROM afe_job_keyvals WHERE id = 18446744073709551615")
	read(old.address()).want(t, 0)

	// PostgreSQL.
	into := func(url string, args ...string) ended {
		t.Helper()
		return client(t, append([]string{"import", "--from", old.address(), "--database-url", url}, args...)...)
	}
	says(into("postgres://u@"+nobody+"/d"), "refused", "start PostgreSQL, or correct host and port of --database-url")
	into(pgtest.EmptyDatabase(t)).want(t, 4, "migrate up")
	db := pool(t, database)
	pgtest.Query[string](t, db, "INSERT INTO afe_hosts (id, hostname) VALUES (900, 'somebody') RETURNING hostname")
	says(into(database), "not all of this MySQL is in it: it has 1 of afe_hosts; nothing was changed", "import into a new database that only migrate up has touched")
	pgtest.Query[string](t, db, "DELETE FROM afe_hosts RETURNING hostname")
	if _, err := db.Exec(t.Context(), "ALTER TABLE afe_host_queue_entries ADD CONSTRAINT sites_own CHECK (id <> 1003)"); err != nil {
		t.Fatal(err)
	}
	says(into(database), "move afe_host_queue_entries: id 1003: ", "mend this row in MySQL, or take the constraint or trigger of the site away")
	if _, err := db.Exec(t.Context(), "ALTER TABLE afe_host_queue_entries DROP CONSTRAINT sites_own"); err != nil {
		t.Fatal(err)
	}
	into(database).want(t, 0)

	// The way back.
	back := func(to string) ended {
		t.Helper()
		return client(t, "export", "--to", to, "--database-url", database)
	}
	old.do("REVOKE INSERT ON " + old.name + ".* FROM " + old.name + "_few@localhost")
	pgtest.Query[string](t, db, "INSERT INTO afe_hosts (id, hostname) VALUES (901, 'new') RETURNING hostname")
	says(back(few), "write afe_shards: ", "grant the user SELECT on all tables of that database, for an export INSERT, UPDATE and DELETE, too")
	says(back("mysql://u@"+nobody+"/d"), "export: read MySQL at", "start MySQL")
	empty := newOldShard(t)
	says(back(empty.address()), "it is not the one that was imported", "name in --to the MySQL that was imported")
}
