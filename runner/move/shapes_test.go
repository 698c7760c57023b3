//go:build mariadb

package move_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/move"
	"shardclient/runner/pgtest"
)

// odd are values of each of MySQL's types that are at an end, or beyond one, of what PostgreSQL's
// columns take, as expressions. A reference to an id among them names no row.
var odd = map[string][]string{
	"int":      {"-2147483648", "-1", "0", "2147483647", "4294967295"},
	"smallint": {"-32768", "-1", "2", "32767"},
	"tinyint":  {"-128", "-1", "1", "2", "127"},
	"datetime": {
		"'0000-00-00 00:00:00'", "'2019-00-10 00:00:00'", "'2019-02-30 12:00:00'", "'0000-03-01 00:00:00'", "'0001-01-01 00:00:00'",
		"'9999-12-31 23:59:59'", "'2019-03-10 24:00:00'", "'2019-03-10 02:30:00'", "''",
	},
	"varchar": {"''", "CONCAT('a', CHAR(0), 'b', {n})", "CONCAT('x', {n}, '  ')", "RPAD('', {longest}, {n})", "CONVERT(CONCAT(0xE9808D, {n}) USING latin1)", "_utf8 0xEDA080", "CONCAT(_utf8mb4 0xF09F9880, {n})"},
	"enum":    {"''", "'int'", "'nonsense'"},
}

const rowsOfEach = 60

// One row for each odd value in each column of each table: what does not arrive as it was is in the
// report, by table, row and column, and nothing stops the import.
func TestNoRowShapeIsSilent(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/scheduler.sql")
	old.do("SET foreign_key_checks = 0, sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', NAMES latin1")
	tables := strings.Fields(old.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"))
	made := 0
	for _, table := range tables {
		made += old.oddRows(table)
	}
	if made < 1000 {
		t.Fatalf("only %d rows are made", made)
	}
	old.do("SET NAMES utf8mb4")
	// Two keys that look alike when their parts stand one behind the other.
	old.do("INSERT INTO django_content_type VALUES (9000, 'n', 'a, b', 'c'), (9001, 'n', 'a', 'b, c')")

	database := pgtest.Database(t)
	client(t, "migrate", "up", "--with", "scheduler", "--database-url", database).want(t, 0)
	e := client(t, "import", "--all", "--from", old.address(), "--database-url", database, "--output", "json").want(t, 0)
	var report move.Report
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, k := range report.Repairs {
		if int(k.Count) != len(k.Cases) {
			t.Errorf("%s.%s: %d are counted, %d listed", k.Table, k.Column, k.Count, len(k.Cases))
		}
		for _, c := range k.Cases {
			_, id, _ := strings.Cut(c.Row, " ")
			for column := range strings.SplitSeq(k.Column, ", ") {
				listed[k.Table+" "+id+" "+column] = true
			}
			if c.Is == nil && strings.Contains(k.What, "left out") {
				listed[k.Table+" "+id] = true
			}
		}
	}
	compared, differ := 0, 0
	for _, table := range tables {
		n, d := compareTable(t, old, pool(t, database), table, listed)
		compared, differ = compared+n, differ+d
	}
	if n := pgtest.Query[int](t, pool(t, database), "SELECT count(*) FROM django_content_type WHERE id IN (9000, 9001)"); n != 2 {
		t.Errorf("%d of two rows are there", n)
	}
	t.Logf("%d rows, %d values compared, %d of them repaired or left out", made, compared, differ)
	client(t, "import", "--all", "--from", old.address(), "--database-url", database).want(t, 0, "everything of this MySQL is here already")
}

// oddRows fills a table: first with common rows, that others may refer to, and then with a row for
// each odd value.
func (o *oldShard) oddRows(table string) (made int) {
	o.t.Helper()
	var columns [][]string
	for line := range strings.SplitSeq(o.ask("SELECT column_name, data_type, is_nullable, COALESCE(character_maximum_length, 0), column_key FROM information_schema.columns "+
		"WHERE table_schema = DATABASE() AND table_name = '"+table+"' ORDER BY ordinal_position"), "\n") {
		columns = append(columns, strings.Split(line, "|"))
	}
	insert := func(n int, at int, value string) {
		var names, values []string
		for i, c := range columns {
			is := map[string]string{"int": fmt.Sprint(1 + n%rowsOfEach), "tinyint": "0", "smallint": "1", "datetime": "'2019-03-10 02:30:00'", "enum": "'int'"}[c[1]]
			switch {
			case i == at:
				is = value
			case c[4] == "PRI" && c[1] == "int", i > 0 && columns[0][4] == "PRI" && i == len(columns)-1 && c[1] == "int": // a pair differs
				is = fmt.Sprint(1 + n)
			case is == "":
				is = fmt.Sprintf("'%s %d'", c[0], n)
			}
			names, values = append(names, "`"+c[0]+"`"), append(values, is)
		}
		// One that MySQL itself has no room for is no shape of its own.
		o.do("INSERT IGNORE INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")")
		made++
	}
	for n := range rowsOfEach {
		insert(n, -1, "")
	}
	n := rowsOfEach
	for i, c := range columns {
		kind := map[string]string{"text": "varchar", "longtext": "varchar", "mediumtext": "varchar"}[c[1]]
		if kind == "" {
			kind = c[1]
		}
		if odd[kind] == nil {
			o.t.Fatalf("%s.%s is a %s, of which no odd value is known", table, c[0], c[1])
		}
		values := slices.Clone(odd[kind])
		if c[2] == "YES" {
			values = append(values, "NULL", "NULL")
		}
		for _, v := range values {
			longest := min(c[3], "4294967295")
			if len(c[3]) > 5 {
				longest = "1000000"
			}
			insert(n, i, strings.NewReplacer("{n}", fmt.Sprintf("'%d'", n), "{longest}", longest).Replace(v))
			n++
		}
	}
	return made
}

// compareTable compares all values of a table.
func compareTable(t *testing.T, old *oldShard, db *pgxpool.Pool, table string, listed map[string]bool) (compared, differ int) {
	t.Helper()
	found, err := db.Query(t.Context(), "SELECT * FROM "+table, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		t.Fatal(err)
	}
	here := map[string]map[string]string{}
	var key string
	for found.Next() {
		row := map[string]string{}
		for i, f := range found.FieldDescriptions() {
			text := "NULL"
			if raw := found.RawValues()[i]; raw != nil {
				text = string(raw)
				if f.DataTypeOID == 16 {
					text = map[string]string{"t": "1", "f": "0"}[text]
				}
			}
			row[f.Name] = text
		}
		key = found.FieldDescriptions()[0].Name
		here[row[key]] = row
	}
	if found.Err() != nil || key == "" {
		t.Fatalf("%s: %v, or it is empty", table, found.Err())
	}
	for _, there := range old.rows(table) {
		is := here[there[key]]
		name, _ := json.Marshal(there[key])
		var id string // as the report, which is JSON, writes it
		if err := json.Unmarshal(name, &id); err != nil {
			t.Fatal(err)
		}
		if is == nil {
			if !listed[table+" "+id] && !listed[table+" "+id+" "+key] {
				t.Errorf("%s %s is gone silently: %v", table, there[key], there)
			}
			differ++
			continue
		}
		for column, was := range there {
			if compared++; is[column] == was {
				continue
			}
			if differ++; !listed[table+" "+id+" "+column] {
				t.Errorf("%s %s: %s was %.100q and is %.100q, silently", table, there[key], column, was, is[column])
			}
		}
	}
	return compared, differ
}

// Tables that a site has changed hold more than Autotest's do: bytes, fractions of a second, long
// texts, large ids.
func TestRowsOfAlteredTables(t *testing.T) {
	t.Parallel()
	old := newOldShard(t)
	old.run("testdata/broken.sql")
	old.do("SET foreign_key_checks = 0")
	old.do("ALTER TABLE afe_job_keyvals MODIFY value varbinary(300), MODIFY id bigint")
	old.do("ALTER TABLE afe_jobs MODIFY control_file mediumtext, MODIFY created_on datetime(6), ADD COLUMN sites_own int")
	old.do("ALTER TABLE afe_users MODIFY login varchar(255) CHARACTER SET utf8mb4, MODIFY show_experimental bit(1) NOT NULL")
	old.do("UPDATE afe_jobs SET created_on = '2019-03-10 02:30:00.123456', control_file = REPEAT('π', 2500000) WHERE id = 100")
	old.do("INSERT INTO afe_job_keyvals VALUES (5000000000, 100, 'bytes', 0x61FF00C3A9)")
	old.do("INSERT INTO afe_users (id, login, show_experimental, reboot_before, reboot_after) VALUES (3, '😀', b'1', 0, 0), (4, 'plain', b'0', 0, 0)")
	// Two shards of one name: the master has made it anew. An open entry without its host is not
	// one that needs none.
	old.do("INSERT INTO afe_shards VALUES (9, 'shard7.example')")
	old.do("INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete, deleted, execution_subdir) VALUES (1020, 100, 88, 'Queued', 0, 0, '')")
	database := pgtest.Database(t)
	client(t, "import", "--from", old.address(), "--database-url", database).want(t, 0,
		"afe_job_keyvals.value: bytes that are no text: 1", "id 5000000000: 'a", "column afe_jobs.sites_own: this database has none of that name",
		"afe_users.show_experimental: neither 0 nor 1: 4",
		"afe_shards.hostname: is the name of another one, too: 1", "id 7: 'shard7.example' -> 'shard7.example (was id 7)'",
		"afe_host_queue_entries.host_id: names no host, and no label either, and is open: left out, the master sends it again: 1", "id 1020: '88' -> NULL")
	for query, want := range map[string]string{
		"SELECT created_on || ' ' || length(control_file) FROM afe_jobs WHERE id = 100":                                  "2019-03-10 02:30:00.123456 2500000",
		"SELECT value FROM afe_job_keyvals WHERE id = 5000000000":                                                        "a\uFFFDé",
		"SELECT login || show_experimental FROM afe_users WHERE id = 3":                                                  "😀true",
		"SELECT login || show_experimental FROM afe_users WHERE id = 4":                                                  "plainfalse",
		"SELECT hostname FROM afe_shards WHERE id = 9":                                                                   "shard7.example",
		"INSERT INTO afe_job_keyvals (job_id) VALUES (1) RETURNING id::text":                                             "5000000001",
		"SELECT count(*)::text FROM afe_host_queue_entries WHERE host_id IS NULL AND meta_host IS NULL AND NOT complete": "0",
	} {
		if got := pgtest.Query[string](t, pool(t, database), query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
