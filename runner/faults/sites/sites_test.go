package sites

import (
	"flag"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

// every plays all sites; the suite plays those that differ most.
var every = flag.Bool("every", false, "play every site, not some")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m)))
}

// site is what somebody has made of a shard's database, and what becomes of three jobs there.
type site struct {
	brief bool // part of a plain go test

	create   string            // how the database is created
	settings map[string]string // of the database
	owns     bool              // the client's role owns a schema, and nothing else
	granted  bool              // the client's role has the rights of docs/grants.sql
	sql      string            // run by a superuser on the tables
	sent     string            // run on the master before the first beat
	written  string            // run on the shard after the first beat, as by a scheduler

	check   string // what `check` says, "": all is whole
	failure string // what each beat says, "": it is ok
	aside   string // what the quarantine says
	agree   int    // how many jobs come to their end on both sides
}

// sites are named after what is odd about them.
var sites = map[string]site{
	"settings and an ICU collation": {
		brief:  true,
		create: "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'",
		settings: map[string]string{
			"DateStyle": "German, DMY", "TimeZone": "Asia/Kathmandu", "IntervalStyle": "sql_standard", "bytea_output": "escape",
			"extra_float_digits": "-15", "standard_conforming_strings": "off", "backslash_quote": "off", "escape_string_warning": "off",
			"quote_all_identifiers": "on", "array_nulls": "off", "transform_null_equals": "on", "default_toast_compression": "pglz",
			"default_transaction_deferrable": "on", "default_transaction_isolation": "serializable", "work_mem": "64kB",
			"default_statistics_target": "1", "plan_cache_mode": "force_generic_plan", "enable_indexscan": "off", "enable_hashjoin": "off",
			"client_min_messages": "debug1", "lc_messages": "C", "track_activities": "off", "exit_on_error": "on", "check_function_bodies": "off",
		},
		agree: 3,
	},
	"LATIN1": {
		brief: true, create: "TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'",
		sent:  "UPDATE afe_jobs SET name = '日' WHERE id = 1; UPDATE afe_jobs SET name = 'Zoë' WHERE id = 2",
		check: "encoding LATIN1: what is no text in it and in UTF8 alike is set aside", aside: `has no equivalent in encoding "LATIN1"`, agree: 2,
	},
	"SQL_ASCII": {
		brief: true, create: "TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'",
		sent:    "UPDATE afe_jobs SET name = '日' WHERE id = 1",
		written: `UPDATE afe_jobs SET name = E'Zo\xeb' WHERE id = 2`,
		check:   "encoding SQL_ASCII: what is no text in it and in UTF8 alike is set aside", aside: `invalid byte sequence for encoding "UTF8"`, agree: 2,
	},
	"collation C":                          {create: "TEMPLATE template0 LOCALE 'C'", agree: 3},
	"a schema of its own and nothing else": {owns: true, agree: 3},
	"rights of grants.sql":                 {granted: true, agree: 3},
	"row-level security, forced": {
		owns: true, sql: "ALTER TABLE afe_jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		check: "row-level security would hide rows from this role: afe_jobs", failure: "BYPASSRLS",
	},
	"row-level security, with a policy": {
		granted: true, sql: "ALTER TABLE afe_hosts ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON afe_hosts USING (true)",
		check: "row-level security would hide rows from this role: afe_hosts", failure: "BYPASSRLS",
	},
	"row-level security of the owner": {owns: true, sql: "ALTER TABLE afe_jobs ENABLE ROW LEVEL SECURITY", agree: 3},
	"partitions":                      {sql: partitions, check: "slow", agree: 3},
	"partitions, and none for a job": {
		sql: strings.Replace(partitions, "TO (3)", "TO (2)", 1), check: "slow", aside: `no partition of relation "afe_jobs" found for row`, agree: 2,
	},
	"columns that know no case": {
		sql: `CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
			ALTER TABLE afe_labels ALTER name TYPE text COLLATE nocase; ALTER TABLE afe_hosts ALTER hostname TYPE text COLLATE nocase`,
		agree: 3,
	},
	"an audit that the role may not write": {
		granted: true, sql: "CREATE TABLE audit (n bigint);" + trigger("afe_jobs", "INSERT INTO audit VALUES (NEW.id); RETURN NEW;"),
		check: "one that writes to another table", failure: "SECURITY DEFINER",
	},
	"an audit of its owner": {
		granted: true, sql: "CREATE TABLE audit (n bigint);" + trigger("afe_jobs", "INSERT INTO audit VALUES (NEW.id); RETURN NEW;") +
			"ALTER FUNCTION site() SECURITY DEFINER",
		check: "afe_jobs site", agree: 3,
	},
	"a trigger that raises at the commit": {
		sql: strings.Replace(trigger("afe_jobs", "IF NEW.id = 2 THEN RAISE 'not here'; END IF; RETURN NULL;"),
			"TRIGGER site BEFORE INSERT ON afe_jobs", "CONSTRAINT TRIGGER site AFTER INSERT ON afe_jobs DEFERRABLE INITIALLY DEFERRED", 1),
		check: "afe_jobs site", aside: "not here (SQLSTATE P0001)", agree: 2,
	},
	"a history that takes nothing": {
		sql: trigger("shard_client_heartbeats", "RAISE 'full';"), check: "shard_client_heartbeats site", agree: 3,
	},
	"a trigger that raises": {
		sql:   trigger("afe_jobs", "IF NEW.id = 2 THEN RAISE 'not here'; END IF; RETURN NEW;"),
		check: "triggers, keys or checks that are not of shard-client: afe_jobs site", aside: "not here (SQLSTATE P0001)", agree: 2,
	},
	"a trigger that swallows": {
		sql:   trigger("afe_jobs", "RETURN CASE WHEN NEW.id <> 2 THEN NEW END;"),
		check: "afe_jobs site", aside: "swallowed a row of table afe_jobs", agree: 2,
	},
	"a trigger that changes a job": {
		sql:   trigger("afe_jobs", "NEW.name = upper(NEW.name); RETURN NEW;"),
		check: "afe_jobs site", agree: 3,
	},
	"a trigger that changes a host": {
		sql:   trigger("afe_hosts", "NEW.hostname = upper(NEW.hostname); RETURN NEW;"),
		check: "afe_hosts site", agree: 3,
	},
	"a rule": {
		sql:     "CREATE TABLE audit (n bigint); CREATE RULE site AS ON UPDATE TO afe_jobs DO ALSO INSERT INTO audit VALUES (NEW.id)",
		check:   "rules that are not of shard-client: afe_jobs site",
		failure: "SQLSTATE 0A000", agree: 3,
	},
	"a column that must be filled": {
		sql:   "ALTER TABLE afe_jobs ADD site text NOT NULL",
		check: "each new row must fill columns that shard-client does not fill: afe_jobs.site", aside: `null value in column "site"`,
	},
	"other columns": {
		sql: "ALTER TABLE afe_jobs ADD a text NOT NULL DEFAULT '', ADD b text, ADD c text GENERATED ALWAYS AS (upper(name)) STORED", agree: 3,
	},
	"a key": {
		sql:   "ALTER TABLE afe_jobs ADD UNIQUE (name)",
		check: "afe_jobs UNIQUE (name)", aside: "duplicate key value violates unique constraint", agree: 1,
	},
	"a publication of all tables": {sql: "CREATE PUBLICATION everything FOR ALL TABLES", agree: 3},
	"no DDL": {
		sql: `CREATE FUNCTION site() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no DDL'; END$$;
			CREATE EVENT TRIGGER site ON ddl_command_start EXECUTE FUNCTION site()`, agree: 3,
	},
	"no autovacuum": {sql: unattended, agree: 3},
	"lz4, where the server has it": {agree: 3, sql: `DO $$ BEGIN
		IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
			EXECUTE format('ALTER DATABASE %I SET default_toast_compression = lz4', current_database());
		END IF;
	END $$`},
}
