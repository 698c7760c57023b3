package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// migration is an element of `migrate up|down|status --output json`.
type migration struct {
	Version   *int64   `json:"version"`
	Name      string   `json:"name"`
	Direction string   `json:"direction"`
	TookMS    *float64 `json:"took_ms"`
	AppliedAt *string  `json:"applied_at"`
}

func migrations(t testing.TB, e ended) []migration {
	t.Helper()
	var list []migration
	decoder := json.NewDecoder(strings.NewReader(e.want(t, exitOK).stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil || list == nil || e.stderr != "" {
		t.Fatalf("want one array on stdout and nothing on stderr: %v: %v", err, e)
	}
	return list
}

func latest(t testing.TB) int {
	t.Helper()
	version, err := schema.Latest()
	if err != nil {
		t.Fatal(err)
	}
	return int(version)
}

func relations(t testing.TB, pool *pgxpool.Pool) int {
	return pgtest.Query[int](t, pool, `SELECT count(*) FROM pg_class WHERE relname LIKE 'afe\_%' OR relname LIKE 'shard\_client\_%'`)
}

func TestMigrateJSON(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	pool := open(t, databaseURL)
	migrate := func(step string) []migration {
		return migrations(t, invoke("migrate", step, "--output=json", "--database-url", databaseURL))
	}
	applied := func() (count int) {
		list := migrate("status")
		if len(list) != latest(t) {
			t.Errorf("status lists %d migrations, want %d", len(list), latest(t))
		}
		for i, m := range list {
			if m.Version == nil || *m.Version != int64(i+1) || !strings.HasSuffix(m.Name, ".sql") {
				t.Errorf("migration %d is %+v", i, m)
			}
			if m.AppliedAt != nil {
				count++
				if at, err := time.Parse(time.RFC3339, *m.AppliedAt); err != nil || at.Location() != time.UTC || time.Since(at) > time.Hour {
					t.Errorf("applied at %s: %v", *m.AppliedAt, err)
				}
			}
		}
		return count
	}
	steps := func(list []migration, direction string, count int) {
		t.Helper()
		if len(list) != count {
			t.Errorf("%s made %d steps, want %d", direction, len(list), count)
		}
		for _, m := range list {
			if m.Direction != direction || !strings.HasSuffix(m.Name, ".sql") || m.TookMS == nil {
				t.Errorf("%s made the step %+v", direction, m)
			}
		}
	}
	if n := applied(); n != 0 {
		t.Errorf("%d migrations are applied to an empty database", n)
	}
	steps(migrate("up"), "up", latest(t))
	whole := relations(t, pool)
	steps(migrate("up"), "up", 0)
	for left := latest(t) - 1; left >= 0; left-- {
		steps(migrate("down"), "down", 1)
		if n := applied(); n != left {
			t.Errorf("after one step down %d migrations are applied, want %d", n, left)
		}
	}
	steps(migrate("down"), "down", 0)
	if n := relations(t, pool); n != 0 {
		t.Errorf("%d relations are left", n)
	}
	steps(migrate("up"), "up", latest(t))
	if n := relations(t, pool); n != whole {
		t.Errorf("up, down and up again: %d relations, want %d", n, whole)
	}
}

func TestMigrateText(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	const (
		first, second = `00001_\w+\.sql +`, `00002_\w+\.sql +`
		at            = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n`
	)
	for _, tt := range []struct{ step, want string }{
		{"status", `^VERSION  NAME +APPLIED\n1 +` + first + `pending\n2 +` + second + `pending\n`},
		{"up", `^up   00001_\w+\.sql \(\d+ ms\)\nup   00002_\w+\.sql \(\d+ ms\)\n`},
		{"up", `^nothing to do: every migration is applied\n$`},
		{"status", `^VERSION  NAME +APPLIED\n1 +` + first + at + `2 +` + second + at},
		{"down", `^down \d+_\w+\.sql \(\d+ ms\)\n$`},
	} {
		e := invoke("migrate", tt.step, "--database-url", databaseURL).want(t, exitOK)
		if !regexp.MustCompile(tt.want).MatchString(e.stdout) ||
			strings.HasPrefix(e.stdout, "up ") != strings.Contains(e.stderr, "migrate grant") || !strings.HasPrefix(e.stdout, "up ") && e.stderr != "" {
			t.Errorf("migrate %s: want %s, got %v", tt.step, tt.want, e)
		}
	}
	empty := pgtest.EmptyDatabase(t)
	if e := invoke("migrate", "down", "--database-url", empty).want(t, exitOK); e.stdout != "nothing to do: no migration is applied\n" {
		t.Errorf("migrate down on nothing: %v", e)
	}
}

// Two shards of one deployment may both begin with `migrate up`.
func TestTwoMigrateUpAtOnce(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyDatabase(t)
	var starts sync.WaitGroup
	results := make([]ended, 3)
	for i := range results {
		starts.Go(func() { results[i] = invoke("migrate", "up", "--output=json", "--database-url", databaseURL) })
	}
	starts.Wait()
	steps := 0
	for _, e := range results {
		steps += len(migrations(t, e))
	}
	if steps != latest(t) {
		t.Errorf("together they made %d steps, want %d", steps, latest(t))
	}
}

func TestMigrateWithoutDatabase(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"up", "down", "status"} {
		e := invoke("migrate", step, "--database-url=postgres://127.0.0.1:1/shard").want(t, exitFailed)
		e.silent(t).says(t, "migrate "+step, "failed to connect")
	}
}

// An operator asks for the version when something is wrong, perhaps the environment.
func TestVersionAnswersWhateverTheEnvironmentHolds(t *testing.T) {
	for name, value := range map[string]string{
		"SHARD_CLIENT_HEARTBEAT_PAUSE": "abc", "SHARD_CLIENT_OUTPUT": "xml", "SHARD_CLIENT_LOG_FORMAT": "xml",
		"SHARD_CLIENT_MASTER": "ftp://nowhere", "SHARD_CLIENT_DATABASE_URL": "host=", "SHARD_CLIENT_APPLY_CHUNK": "-1",
	} {
		t.Setenv(name, value)
	}
	invoke("version").want(t, exitOK).says(t)
	if e := invoke("version", "--output", "json").want(t, exitOK); !strings.HasPrefix(e.stdout, `{"schema_version":`) {
		t.Errorf("version as JSON: %v", e)
	}
	t.Setenv("SHARD_CLIENT_OUTPUT", "json")
	if e := invoke("version").want(t, exitOK); !strings.HasPrefix(e.stdout, `{"schema_version":`) {
		t.Errorf("a good variable is not obeyed beside wrong ones: %v", e)
	}
	invoke("version", "--output=xml").want(t, exitUsage)
	invoke("version", "--heartbeat-pause=abc").want(t, exitUsage)
	invoke("once").want(t, exitUsage)
}

// version answers without database, shard or master.
func TestVersion(t *testing.T) {
	e := invoke("version").want(t, exitOK)
	if !regexp.MustCompile(`^shard-client \S+, schema version \d+\n$`).MatchString(e.stdout) {
		t.Errorf("version: %v", e)
	}
	if same := invoke("--version").want(t, exitOK); same.stdout != e.stdout {
		t.Errorf("--version: %v", same)
	}
	var got struct {
		Version       string `json:"version"`
		SchemaVersion int    `json:"schema_version"`
	}
	e = invoke("version", "--output", "json").want(t, exitOK)
	if err := json.Unmarshal([]byte(e.stdout), &got); err != nil || got.Version != version || got.SchemaVersion != latest(t) {
		t.Errorf("version: %v: %v", err, e)
	}
	t.Setenv("SHARD_CLIENT_MASTER", "ftp://nonsense")
	invoke("version").want(t, exitOK)
}

// A client does not notice that its tables change: what would take some away is refused while it
// runs, and what brings new ones says that it is to be restarted.
func TestMigrationsBesideAClient(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	invoke("migrate", "down", "--database-url", databaseURL).want(t, exitOK)
	l := hold(t, pool, "shard-client 1.2 on h1, pid 17")
	invoke("migrate", "up", "--database-url", databaseURL).want(t, exitOK).says(t, "hint: restart the client that runs")
	invoke("migrate", "down", "--database-url", databaseURL).want(t, exitHeld).says(t, "pid 17")
	l.Release(t.Context())
	invoke("migrate", "down", "--database-url", databaseURL).want(t, exitOK)
	if e := invoke("migrate", "up", "--database-url", databaseURL).want(t, exitOK); strings.Contains(e.stderr, "restart") {
		t.Errorf("%v", e)
	}
}

// A trigger of ours that somebody has disabled is enabled without SQL; one of the site is left
// alone.
func TestMigrateRepair(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	pgtest.Exec(t, pool, `ALTER TABLE afe_hosts_labels DISABLE TRIGGER USER;
		CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER theirs AFTER INSERT ON afe_hosts_labels EXECUTE FUNCTION theirs();
		ALTER TABLE afe_hosts_labels DISABLE TRIGGER theirs`)
	repair := []string{"migrate", "repair", "--database-url", databaseURL}
	e := invoke(repair...).want(t, exitOK)
	if want := "enabled afe_hosts_labels afe_hosts_labels_id_after\nenabled afe_hosts_labels afe_hosts_labels_id_before\n"; e.stdout != want {
		t.Errorf("%v, want %q", e, want)
	}
	if got := pgtest.Query[string](t, pool, "SELECT string_agg(tgname, ' ') FROM pg_trigger WHERE tgenabled = 'D'"); got != "theirs" {
		t.Errorf("disabled: %q", got)
	}
	if e := invoke(append(repair, "--output=json")...).want(t, exitOK); e.stdout != "[]\n" {
		t.Errorf("%v", e)
	}
}

// The tables of a scheduler are asked for by name, and stand beside the client's in the list.
func TestMigrateWithScheduler(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	at := []string{"--database-url", databaseURL}
	for _, prints := range []string{"up   00001_scheduler_tables.sql", "nothing to do"} {
		if e := invoke(append([]string{"migrate", "up", "--with", "scheduler"}, at...)...).want(t, exitOK); !strings.Contains(e.stdout, prints) {
			t.Errorf("want %q: %v", prints, e)
		}
	}
	if c := invoke(append([]string{"check", "--output=json"}, at...)...); !strings.Contains(c.stdout, `"check":"tables","level":"ok"`) {
		t.Errorf("check: %v", c)
	}
	e := invoke(append([]string{"migrate", "status"}, at...)...).want(t, exitOK)
	for _, part := range []string{"00001_afe_tables.sql", "Of a scheduler (--with scheduler):", "00002_dialect.sql"} {
		if !strings.Contains(e.stdout, part) {
			t.Errorf("the list lacks %q: %s", part, e.stdout)
		}
	}
	if list := migrations(t, invoke(append([]string{"migrate", "status", "--output=json"}, at...)...)); len(list) != latest(t) {
		t.Errorf("the list for programs has %d migrations, want those of the client, %d", len(list), latest(t))
	}
	invoke(append([]string{"migrate", "down"}, at...)...).want(t, exitFailed).says(t, "migrate down --with scheduler")
	invoke(append([]string{"migrate", "down", "--with", "scheduler"}, at...)...).want(t, exitOK)
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM pg_proc WHERE proname = 'isnull'"); n != 0 {
		t.Error("the dialect is still there")
	}
	invoke(append([]string{"migrate", "up", "--with", "nothing"}, at...)...).want(t, exitUsage).says(t, "scheduler")
}
