package check

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/faults"
	"shardclient/runner/lock"
	"shardclient/runner/master"
	"shardclient/runner/pg"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

const ourShard = "shard1.example"

// site is a shard and its master.
type site struct {
	Checks
	pool *pgxpool.Pool // of the shard, by its owner

	mu    sync.Mutex
	asked []string // the bodies of the requests to the master
}

// newSite makes one in which all is well.
func newSite(t *testing.T, databaseURL string) *site {
	t.Helper()
	s := &site{pool: openPool(t, databaseURL)}
	s.Checks = Checks{
		Door: &pg.Door{URL: databaseURL, Name: "test", LockTimeout: time.Second}, User: "test", UserAgent: "test", Protocol: "auto",
		ShardHostname: ourShard, SpoolDir: t.TempDir(), MaxResponseBytes: 1, Redact: error.Error, Explain: func(err error) error { return err }, Zone: time.UTC,
		Settings: []Result{{Name: "settings", Level: OK, Text: "all settings can be used"}},
	}
	return s
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

// served lets the site have this master.
func (s *site) served(t *testing.T, by http.Handler) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		s.mu.Lock()
		s.asked = append(s.asked, string(body))
		s.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		by.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	if s.Master, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
}

// reference is the reference master on a database.
func reference(t *testing.T, pool *pgxpool.Pool, protocol afe.Protocol) http.Handler {
	t.Helper()
	handler, err := master.New(pool, master.Options{Protocol: protocol, Now: func() time.Time { return time.Now().UTC() }})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// run returns the results by their names.
func (s *site) run(t *testing.T) map[string]Result {
	t.Helper()
	results := map[string]Result{}
	s.Run(t.Context(), func(r Result) { results[r.Name] = r })
	return results
}

// wants fails the test unless the results are all ok but for these: a level, and a part of text or
// hint.
func wants(t *testing.T, have map[string]Result, others map[string][2]string) {
	t.Helper()
	for name, r := range have {
		want := [2]string{"ok", ""}
		if other, is := others[name]; is {
			want = other
		}
		if string(r.Level) != want[0] || !strings.Contains(r.Text+" -> "+r.Hint, want[1]) {
			t.Errorf("%s: %+v, want %q", name, r, want)
		}
		if (r.Level == Fail || r.Level == Warn) && (r.Hint == "" || strings.Contains(r.Text, r.Hint)) {
			t.Errorf("%s: %+v does not say what to do, or says it twice", name, r)
		}
	}
	for name := range others {
		if _, is := have[name]; !is {
			t.Errorf("no result of %s", name)
		}
	}
}

// All is well where it is, and nothing is changed by looking: neither on the shard nor on the
// master has any transaction a number after it, so no row was written, no sequence moved and no
// lock noted.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	server := faults.StartServer(t, postgres.Options{Settings: map[string]string{"autovacuum": "off"}})
	of := openPool(t, server.Database(t))
	pgtest.Exec(t, of, `INSERT INTO afe_shards (id, hostname) VALUES (7, '`+ourShard+`'); INSERT INTO afe_labels (id, name) VALUES (1, 'board:eve');
		INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (7, 1); INSERT INTO afe_hosts (id, hostname, leased) VALUES (1, 'h', false);
		INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1)`)
	s := newSite(t, server.Database(t))
	s.served(t, reference(t, of, afe.Protocol2019))
	s.LogDir, s.StateDir, s.Listen, s.PprofListen = t.TempDir(), t.TempDir(), "127.0.0.1:0", "localhost:0"
	number := func() string {
		return pgtest.Query[string](t, of, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
	}
	before := number()
	have := s.run(t)
	if after := number(); after != before {
		t.Errorf("the next transaction is %s after the check, and was %s", after, before)
	}
	wants(t, have, nil)
	if len(have) != len(steps)+1 {
		t.Errorf("%d results, want %d", len(have), len(steps)+1)
	}
	if pgtest.Exec(t, of, "INSERT INTO afe_acl_groups (name) VALUES ('g')"); number() == before {
		t.Error("a write takes no number: this test looks at the wrong one")
	}
	if files, err := filepath.Glob(filepath.Join(s.LogDir, "*")); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
	for _, body := range s.asked {
		if strings.Contains(body, "shard_hostname") {
			t.Errorf("the master was asked %s: as a heartbeat, that gives hosts away", body)
		}
	}
}

// What is wrong with a database is said, with a hint; what does not hang on it is checked all the
// same.
func TestDatabaseFaults(t *testing.T) {
	t.Parallel()
	skipped := func(names ...string) map[string][2]string {
		all := map[string][2]string{}
		for _, name := range names {
			all[name] = [2]string{"skipped", "schema comes first"}
		}
		return all
	}
	tables := []string{"tables", "rights", "strangers", "scheduler", "lock", "copy"}
	for name, tt := range map[string]struct {
		sql     string
		level   string
		check   string
		says    string
		skipped []string
	}{
		"trigger off":    {"ALTER TABLE afe_hosts DISABLE TRIGGER USER", "fail", "tables", "migrate repair", nil},
		"keys unchecked": {"ALTER TABLE afe_host_queue_entries DISABLE TRIGGER ALL", "fail", "tables", "FOREIGN KEY (job_id)", nil},
		"key gone":       {"ALTER TABLE afe_hosts_labels DROP CONSTRAINT afe_hosts_labels_host_id_fkey", "fail", "tables", "missing: constraint afe_hosts_labels FOREIGN KEY", nil},
		"key unproven": {"ALTER TABLE afe_hosts_labels DROP CONSTRAINT afe_hosts_labels_host_id_fkey, " +
			"ADD FOREIGN KEY (host_id) REFERENCES afe_hosts NOT VALID", "fail", "tables", "VALIDATE CONSTRAINT", nil},
		"identity gone": {"ALTER TABLE afe_labels ALTER id DROP IDENTITY", "fail", "tables", "missing: column afe_labels.id bigint not null identity", nil},
		"index gone":    {"DROP INDEX afe_jobs_pending_upload", "warn", "tables", "slow", nil},
		"trigger of a site": {"CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; " +
			"CREATE TRIGGER theirs BEFORE INSERT ON afe_jobs FOR EACH ROW EXECUTE FUNCTION theirs()", "warn", "tables", "afe_jobs theirs", nil},
		"key of a site":    {"ALTER TABLE afe_jobs ADD UNIQUE (name)", "warn", "tables", "checks that are not of shard-client: afe_jobs UNIQUE (name)", nil},
		"index of a site":  {"CREATE UNIQUE INDEX theirs ON afe_jobs (lower(name))", "warn", "tables", "UNIQUE INDEX theirs", nil},
		"check of a site":  {"ALTER TABLE afe_jobs ADD CHECK (name <> '')", "warn", "tables", "set aside", nil},
		"column of a site": {"ALTER TABLE afe_jobs ADD theirs text NOT NULL", "fail", "tables", "fill: afe_jobs.theirs text not null -> give them a default", nil},
		"rule of a site":   {"CREATE RULE theirs AS ON UPDATE TO afe_jobs DO ALSO NOTHING", "fail", "tables", "rules that are not of shard-client: afe_jobs theirs", nil},
		"nothing that harms": {"ALTER TABLE afe_jobs ADD theirs text, ADD more text NOT NULL DEFAULT ''; CREATE INDEX ON afe_jobs (name); " +
			"ALTER TABLE afe_jobs ALTER created_on SET DEFAULT now(); CREATE TABLE afe_autotests (name text NOT NULL UNIQUE)", "ok", "tables", "whole", nil},
		"quoted names":      {"ALTER DATABASE %s SET quote_all_identifiers = on", "ok", "tables", "whole", nil},
		"older schema":      {"DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)", "fail", "schema", "migrate up", tables},
		"no trigger runs":   {"ALTER DATABASE %s SET session_replication_role = 'replica'", "fail", "session", "session_replication_role is replica, not origin", nil},
		"others may create": {"GRANT CREATE ON SCHEMA public TO PUBLIC", "warn", "strangers", "PUBLIC may create", nil},
		"skipped entries": {`INSERT INTO afe_shards (id, hostname) VALUES (1, '` + ourShard + `'); INSERT INTO afe_labels (id, name) VALUES (1, 'board:eve');
			INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1); INSERT INTO afe_jobs (id, created_on) VALUES (1, now());
			INSERT INTO afe_host_queue_entries (job_id, status, meta_host, aborted, active) VALUES
				(1, 'Queued', 1, false, false), (1, 'Running', 1, false, true), (1, 'Queued', NULL, false, false),
				(1, 'Queued', 1, true, false), (1, 'Queued', 1, false, true)`,
			"warn", "scheduler", "1 queued entries", nil},
		"a copy": {"INSERT INTO shard_client_owner (who, epoch, database_oid, system_identifier) VALUES ('the original', 3, 1, 1)",
			"fail", "copy", "shard-client adopt", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, pgtest.Database(t))
			if strings.Contains(tt.sql, "%s") {
				tt.sql = fmt.Sprintf(tt.sql, s.pool.Config().ConnConfig.Database)
			}
			pgtest.Exec(t, s.pool, tt.sql)
			s.served(t, knows(ourShard))
			want := skipped(tt.skipped...)
			want[tt.check] = [2]string{tt.level, tt.says}
			wants(t, s.run(t), want)
		})
	}
}

// A database that does not answer, and a pooler that lends sessions, keep the rest from being
// judged.
func TestDatabaseOutOfReach(t *testing.T) {
	t.Parallel()
	s := newSite(t, pgtest.Pooled(t, pgtest.Database(t), "transaction"))
	s.served(t, knows(ourShard))
	want := map[string][2]string{"pooler": {"fail", "pool_mode=session"}}
	for _, name := range []string{"server", "session", "schema", "tables", "rights", "strangers", "scheduler", "lock", "copy", "sessions", "db clock"} {
		want[name] = [2]string{"skipped", "pooler comes first"}
	}
	wants(t, s.run(t), want)

	s.Door.URL = "postgres://127.0.0.1:1/nowhere"
	for name := range want {
		want[name] = [2]string{"skipped", "database comes first"}
	}
	want["database"] = [2]string{"fail", "refused"}
	wants(t, s.run(t), want)

	s.Door.URL = pgtest.Pooled(t, pgtest.Database(t), "session")
	wants(t, s.run(t), map[string][2]string{"pooler": {"ok", "session mode"}})
}

// Each right that the role lacks is named.
func TestRightsThatAreMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t, pgtest.Database(t))
	s.served(t, knows(ourShard))
	pgtest.Exec(t, s.pool, "CREATE ROLE lacks LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO lacks; "+
		"REVOKE UPDATE ON afe_host_queue_entries FROM lacks; GRANT UPDATE (meta_host) ON afe_host_queue_entries TO lacks; "+
		"REVOKE DELETE ON shard_client_taken FROM lacks; REVOKE EXECUTE ON FUNCTION shard_client_is_ascii(text) FROM PUBLIC")
	t.Cleanup(func() {
		conn, err := pgx.ConnectConfig(context.Background(), s.pool.Config().ConnConfig)
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP OWNED BY lacks; DROP ROLE lacks", pgx.QueryExecModeSimpleProtocol)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	s.Door.URL += "&user=lacks"
	wants(t, s.run(t), map[string][2]string{
		"rights": {"fail", "the role lacks UPDATE (aborted) on afe_host_queue_entries, DELETE on shard_client_taken, EXECUTE on shard_client_is_ascii(text) -> as the owner of the tables: shard-client migrate grant "},
	})
}

// A client that serves this shard meanwhile is as it should be, and named.
func TestAClientRunsMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, pgtest.Database(t))
	s.served(t, knows(ourShard))
	l, err := lock.New(s.pool, "shard-client 1.2 on h1, pid 17")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context())
	have := s.run(t)
	wants(t, have, map[string][2]string{"lock": {"ok", "held by shard-client 1.2 on h1, pid 17, for"}})
	if Worst([]Result{have["lock"], {Level: Warn}, {Level: Skipped}}) != Warn {
		t.Error("a warning is no failure")
	}
}

// A transaction that stays open is named: what it has locked is left out of every beat.
func TestAnOpenTransaction(t *testing.T) {
	t.Parallel()
	s := newSite(t, pgtest.Database(t))
	s.served(t, knows(ourShard))
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	pid := pgtest.Query[int](t, tx, "SELECT pg_backend_pid()")
	s.open = time.Hour
	wants(t, s.run(t), nil)
	s.open = time.Nanosecond
	wants(t, s.run(t), map[string][2]string{"sessions": {"warn", fmt.Sprintf("database backend %d (", pid)}})
}

// An address at which nothing could be served is a failure that names who is in the way; that of
// the client which runs is as it should be. Nobody is kept from it.
func TestAddressesOfARun(t *testing.T) {
	t.Parallel()
	page := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // it hangs up
		for conn, err := silent.Accept(); err == nil; conn, err = silent.Accept() {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = silent.Close() })
	for _, tt := range []struct {
		listen, pprof, page string
		level               Level
		says                string
	}{
		{"", "", "", "", ""},
		{"127.0.0.1:0", "", "", OK, "is free"},
		{address, "", "<title>\u2713 " + ourShard + "</title> shard-client 1.2", OK, "the client that runs"},
		{address, "", "<title>\u2713 other</title> shard-client 1.2", Fail, "of another shard -> give each client"},
		{address, "", "It works!", Fail, "address already in use, by another program -> find it with ss -ltnp"},
		{silent.Addr().String(), "", "", Fail, "by another program"},
		{"192.0.2.1:9464", "", "", Fail, "cannot assign requested address -> give an address of this machine"},
		{"", address, "go tool pprof http://ADDRESS/debug/pprof/NAME", OK, "the client that runs"},
		{"", address, "It works!", Fail, "by another program"},
		{"", "127.0.0.1:0", "", OK, "is free"},
		{":9464", ":9464", "", Fail, "are both :9464 -> give one of them another port"},
	} {
		page = tt.page
		c := &Checks{ShardHostname: ourShard, Listen: tt.listen, PprofListen: tt.pprof}
		r := c.listen(t.Context())
		if tt.pprof != "" {
			r = c.pprof(t.Context())
		}
		if r.Level != tt.level || !strings.Contains(r.Text+" -> "+r.Hint, tt.says) {
			t.Errorf("%q %q: %+v, want %s, %q", tt.listen, tt.pprof, r, tt.level, tt.says)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		directory string
		wanted    uint64
		want      Level
	}{{t.TempDir(), 1, OK}, {t.TempDir(), 1 << 62, Warn}, {filepath.Join(t.TempDir(), "nowhere"), 1, Fail}} {
		if r := room(tt.directory, "--spool-dir", tt.wanted, "x"); r.Level != tt.want || (r.Hint != "") != (tt.want != OK) {
			t.Errorf("%s, %d bytes: %+v, want %s", tt.directory, tt.wanted, r, tt.want)
		}
	}
	if got := []string{size(11 << 30), size(700 << 20), size(5000)}; !slices.Equal(got, []string{"11 GiB", "700 MiB", "4 KiB"}) {
		t.Errorf("%q", got)
	}
}
