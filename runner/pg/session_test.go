package pg_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/pg"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// hostile is what a role, a database, PGOPTIONS or a URL may say, and what a session of ours makes
// of it.
var hostile = []struct{ name, theirs, ours string }{
	{"client_encoding", "LATIN1", "UTF8"},
	{"statement_timeout", "1ms", "1min"},
	{"lock_timeout", "1ms", "0"},
	{"idle_session_timeout", "2h", "0"},
	{"idle_in_transaction_session_timeout", "2h", "1min"},
	{"default_transaction_isolation", "serializable", "read committed"},
	{"default_transaction_read_only", "on", "off"},
	{"DateStyle", "SQL,DMY", "ISO, MDY"},
	{"IntervalStyle", "sql_standard", "postgres"},
	{"TimeZone", "Asia/Kathmandu", "UTC"},
	{"bytea_output", "escape", "hex"},
	{"standard_conforming_strings", "off", "on"},
	{"transform_null_equals", "on", "off"},
	{"array_nulls", "off", "on"},
	{"extra_float_digits", "-15", "1"},
	{"row_security", "on", "off"},
}

// openDoor opens a pool as the program does, and closes it after the test.
func openDoor(t *testing.T, door pg.Door) *pgxpool.Pool {
	t.Helper()
	door.Name = "test"
	pool, err := door.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// with returns a URL with a parameter more.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // the driver takes a + for itself
	return u.String()
}

// Whatever the surroundings say, each session begins in the same state.
func TestSessionsAreInAKnownState(t *testing.T) {
	for place, address := range map[string]func(t *testing.T) string{
		"database": func(t *testing.T) string {
			address, admin := pgtest.Database(t), pgtest.Pool(t)
			for _, setting := range hostile {
				pgtest.Exec(t, admin, "ALTER DATABASE "+database(t, address)+" SET "+setting.name+" = '"+setting.theirs+"'")
			}
			return address
		},
		"role": func(t *testing.T) string {
			address, admin := pgtest.Database(t), pgtest.Pool(t)
			for _, setting := range hostile {
				pgtest.Exec(t, admin, "ALTER ROLE shard IN DATABASE "+database(t, address)+" SET "+setting.name+" = '"+setting.theirs+"'")
			}
			return address
		},
		"PGOPTIONS": func(t *testing.T) string {
			var options strings.Builder
			for i, setting := range hostile {
				options.WriteString([]string{" -c ", " -c", "  --"}[i%3] + setting.name + "=" + strings.ReplaceAll(setting.theirs, " ", `\ `))
			}
			address := pgtest.Database(t)
			t.Setenv("PGOPTIONS", options.String())
			return address
		},
		"URL": func(t *testing.T) string {
			address := pgtest.Database(t)
			for _, setting := range hostile {
				if _, limit := map[string]bool{"statement_timeout": true, "lock_timeout": true}[setting.name]; !limit {
					address = with(t, address, setting.name, setting.theirs)
				}
			}
			return address
		},
	} {
		t.Run(place, func(t *testing.T) {
			pool := openDoor(t, pg.Door{URL: address(t)})
			for _, setting := range hostile {
				if got := pgtest.Query[string](t, pool, "SELECT current_setting($1)", setting.name); got != setting.ours {
					t.Errorf("%s is %s, want %s", setting.name, got, setting.ours)
				}
			}
		})
	}
}

func database(t *testing.T, address string) string {
	t.Helper()
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	return config.ConnConfig.Database
}

// The connection string has the last word on the limits, by their own names, and on what is not
// ours. A migration has no limits.
func TestTheConnectionStringSetsLimits(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	for name, value := range map[string]string{
		"statement_timeout": "7s", "lock_timeout": "3s", "work_mem": "5MB", "shard.own": "x", "options": `-c shard.option=a\ b`,
	} {
		address = with(t, address, name, value)
	}
	pool := openDoor(t, pg.Door{URL: address})
	for name, want := range map[string]string{
		"statement_timeout": "7s", "lock_timeout": "3s", "work_mem": "5MB", "shard.own": "x", "shard.option": "a b",
		"application_name": "test",
	} {
		if got := pgtest.Query[string](t, pool, "SELECT current_setting($1)", name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	pool = openDoor(t, pg.Door{URL: address, Migrates: true})
	for _, name := range []string{"statement_timeout", "lock_timeout"} {
		if got := pgtest.Query[string](t, pool, "SELECT current_setting($1)", name); got != "0" {
			t.Errorf("%s of a migration is %q, want none", name, got)
		}
	}
	pool = openDoor(t, pg.Door{URL: with(t, address, "no_such_setting", "1")})
	if err := pool.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("an unknown setting: %v, want it named", err)
	}
}

// A wait for a lock has a limit however short it is to be: 0 would be none.
func TestAWaitForALockHasALimit(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]string{
		0: "0", time.Nanosecond: "1ms", time.Millisecond: "1ms", 1001 * time.Microsecond: "2ms", 2 * time.Second: "2s",
	} {
		pool := openDoor(t, pg.Door{URL: pgtest.Database(t), LockTimeout: timeout})
		if got := pgtest.Query[string](t, pool, "SELECT current_setting('lock_timeout')"); got != want {
			t.Errorf("%s: lock_timeout is %q, want %q", timeout, got, want)
		}
	}
}

// A switch of the server is no setting of a session, and is not passed over.
func TestOptionsThatAreNoSettingsAreRefused(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"-B 5", "-c", "-c nothing", "--", "work_mem=5MB"} {
		door := pg.Door{Name: "test", URL: with(t, "postgres://h/d", "options", options)}
		if _, err := door.Check(); err == nil || !strings.Contains(err.Error(), "-c NAME=VALUE") {
			t.Errorf("options=%s: %v, want what may be given", options, err)
		}
	}
}

// The tables that a session sees first are those that it keeps to, and nothing in another schema of
// the search_path comes before them.
func TestSessionsKeepToTheSchemaOfTheTables(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	admin := openDoor(t, pg.Door{URL: address})
	pgtest.Exec(t, admin, `CREATE SCHEMA "My ""own"; CREATE TABLE "My ""own".afe_jobs (id int)`)
	pool := openDoor(t, pg.Door{URL: with(t, address, "search_path", `"My ""own", public`)})
	if got := pgtest.Query[string](t, pool, "SELECT current_setting('search_path')"); got != "public, pg_temp" {
		t.Errorf("search_path is %s, want the schema of the tables", got)
	}
	pgtest.Exec(t, admin, `ALTER TABLE shard_client_owner SET SCHEMA "My ""own"`)
	pool = openDoor(t, pg.Door{URL: with(t, address, "search_path", `public, "My ""own"`)})
	if got := pgtest.Query[string](t, pool, "SELECT current_setting('search_path')"); got != `"My ""own", pg_temp` {
		t.Errorf("search_path is %s, want the schema of the tables, quoted", got)
	}
}

// Modes in which the driver guesses types are for poolers, and change nothing.
func TestTheDriversModesChangeNothing(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe", "describe_exec", "cache_statement"} {
		for _, capacity := range []string{"0", "1"} {
			pool := openDoor(t, pg.Door{URL: with(t, with(t, address, "default_query_exec_mode", mode), "statement_cache_capacity", capacity)})
			if got := pgtest.Query[int](t, pool, "SELECT json_array_length($1::json)", []byte(`[1, 2]`)); got != 2 {
				t.Errorf("%s: %d, want 2", mode, got)
			}
		}
	}
}
