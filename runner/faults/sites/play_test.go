package sites

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/binaries"
	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/process"
)

// A site that is set up otherwise works, or says what is in its way: in `check`, in the beat, or in
// the quarantine. What is set aside harms no other object.
func TestSites(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(sites)) {
		s := sites[name]
		if !s.brief && !*every {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.play(t)
		})
	}
}

// play plays a whole conversation: jobs come, run and are uploaded, and the last beat has nothing
// to do.
func (s *site) play(t *testing.T) {
	superuser, client := s.database(t)
	l := faults.NewLab(t, faults.Options{DatabaseURL: superuser})
	l.CreateJobs(l.Shards[0], 3)
	pgtest.Exec(t, l.Master, s.sent)
	c := caller{database: client, master: l.URL()}
	if said, _ := c.run(t, "check"); !strings.Contains(said, s.check) || s.check == "" && !strings.Contains(said, "functions are whole") {
		t.Errorf("check says %s, want %q in it", said, s.check)
	}
	for beat := range 4 {
		said, code := c.run(t, "once")
		fails := s.failure != "" && (beat > 0 || s.agree == 0) // where something arrives, with the upload
		if fails != strings.Contains(said, "heartbeat failed") || fails != (code != 0) || !strings.Contains(said, s.failure) && fails {
			t.Errorf("beat %d: exit %d, want %q: %s", beat+1, code, s.failure, said)
		}
		if beat == 0 {
			pgtest.Exec(t, l.Shards[0].DB, s.written)
		}
		l.Work(l.Shards[0])
	}
	if said, _ := c.run(t, "quarantine", "list"); !strings.Contains(said, s.aside) || (s.aside == "") != strings.Contains(said, "quarantine is empty") {
		t.Errorf("the quarantine says %s, want %q in it", said, s.aside)
	}
	const complete = "SELECT count(*) FROM afe_host_queue_entries WHERE complete"
	if n := pgtest.Query[int](t, l.Master, complete); n != s.agree {
		t.Errorf("%d entries are complete on the master, want %d", n, s.agree)
	}
	if s.agree == 3 && s.failure == "" {
		l.Agree(3)
	}
}

// database makes the database with its tables, and returns its URL for a superuser and the one of
// the client.
func (s *site) database(t *testing.T) (superuser, client string) {
	t.Helper()
	at := pgtest.Pool(t)
	name := "site_" + strings.ToLower(rand.Text()[:8]) // of the role, too
	superuser = with(t, at.Config().ConnString(), name, "")
	client = superuser
	pgtest.Exec(t, at, "CREATE DATABASE "+name+" "+s.create)
	t.Cleanup(func() { drop(t, at, name, client != superuser) })
	for setting, value := range s.settings {
		pgtest.Exec(t, at, fmt.Sprintf("ALTER DATABASE %s SET %s = '%s'", name, setting, value))
	}
	if s.owns || s.granted {
		client = with(t, superuser, name, name)
		pgtest.Exec(t, at, "CREATE ROLE "+name+" LOGIN")
	}
	owner := caller{database: superuser}
	if s.owns {
		pgtest.Exec(t, open(t, superuser), fmt.Sprintf(`REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE %[1]s FROM PUBLIC;
			GRANT CONNECT ON DATABASE %[1]s TO %[1]s; CREATE SCHEMA AUTHORIZATION %[1]s; ALTER DATABASE %[1]s SET search_path = %[1]s`, name))
		owner.database = client
	}
	owner.must(t, "migrate", "up")
	if s.granted {
		owner.must(t, "migrate", "grant", name)
	}
	pgtest.Exec(t, open(t, superuser), s.sql)
	return superuser, client
}

func drop(t *testing.T, at *pgxpool.Pool, name string, role bool) {
	statements := []string{"DROP DATABASE " + name + " WITH (FORCE)"}
	if role {
		statements = append(statements, "DROP ROLE "+name)
	}
	for _, statement := range statements {
		if _, err := at.Exec(context.Background(), statement); err != nil {
			t.Error(err)
		}
	}
}

// with returns the URL of another database of a server, for a role; "": the same one.
func with(t *testing.T, databaseURL, database, role string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	query := u.Query()
	query.Set("client_encoding", "UTF8") // for what looks on, and knows nothing else
	if role != "" {
		query.Set("user", role)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func open(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// caller calls the real shard-client, with these in its environment.
type caller struct{ database, master string }

// run returns what a command has said, its spaces and line breaks as one space each.
func (c caller) run(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binaries.ShardClient(t), args...)
	cmd.Env = append(process.Environment(os.Environ()), "SHARD_CLIENT_DATABASE_URL="+c.database, "SHARD_CLIENT_MASTER="+c.master,
		"SHARD_CLIENT_USER="+faults.Login, "SHARD_CLIENT_SHARD_HOSTNAME=shard1.example")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " "), cmd.ProcessState.ExitCode()
}

func (c caller) must(t *testing.T, args ...string) {
	t.Helper()
	if said, code := c.run(t, args...); code != 0 {
		t.Fatalf("%s: exit %d: %s", args, code, said)
	}
}

// trigger is one of a site, before each insert into a table.
func trigger(table, body string) string {
	return "CREATE FUNCTION site() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " + body + " END$$;" +
		"CREATE TRIGGER site BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION site();"
}

// unattended takes all tables from the server's own VACUUM and ANALYZE.
const unattended = `DO $$
	DECLARE name regclass;
	BEGIN
		FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
			EXECUTE 'ALTER TABLE ' || name || ' SET (autovacuum_enabled = off)';
		END LOOP;
	END $$`

// partitions replaces the table of jobs by one in two parts, with its keys, triggers and views, as
// somebody would who has many jobs.
const partitions = `DO $$
	DECLARE r record;
	BEGIN
		ALTER TABLE afe_jobs RENAME TO afe_jobs_old;
		CREATE TABLE afe_jobs (LIKE afe_jobs_old INCLUDING ALL) PARTITION BY RANGE (id);
		CREATE TABLE afe_jobs_low PARTITION OF afe_jobs FOR VALUES FROM (MINVALUE) TO (3);
		CREATE TABLE afe_jobs_high PARTITION OF afe_jobs FOR VALUES FROM (3) TO (MAXVALUE);
		FOR r IN SELECT replace(conrelid::regclass::text, '_old', '') AS place, conrelid::regclass AS was, conname AS name,
				replace(pg_get_constraintdef(oid), 'afe_jobs_old', 'afe_jobs') AS key
				FROM pg_constraint WHERE contype = 'f' AND 'afe_jobs_old'::regclass IN (conrelid, confrelid) LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.was, r.name);
			EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.place, r.name, r.key);
		END LOOP;
		FOR r IN SELECT pg_get_triggerdef(oid) AS made FROM pg_trigger WHERE tgrelid = 'afe_jobs_old'::regclass AND NOT tgisinternal LOOP
			EXECUTE replace(r.made, 'afe_jobs_old', 'afe_jobs');
		END LOOP;
		FOR r IN SELECT viewname AS name, definition FROM pg_views WHERE schemaname = 'public' AND definition LIKE '%afe_jobs_old%' LOOP
			EXECUTE format('CREATE OR REPLACE VIEW %I AS %s', r.name, replace(r.definition, 'afe_jobs_old', 'afe_jobs'));
		END LOOP;
	END $$`
