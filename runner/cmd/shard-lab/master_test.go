package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/master"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// runningMaster is `shard-lab master` in this process.
type runningMaster struct {
	url  string
	stop context.CancelFunc
	code chan int

	rest   *bytes.Buffer // complete once code has come
	stderr *watched      // a heartbeat that is cut off may speak later than that
}

// startMaster returns when the master has printed its URL.
func startMaster(t *testing.T, databaseURL string, flags ...string) *runningMaster {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := &runningMaster{stop: cancel, code: make(chan int, 1), rest: &bytes.Buffer{}, stderr: &watched{}}
	reader, writer := io.Pipe()
	copied := make(chan struct{})
	go func() {
		code := run(ctx, append([]string{"master", "--database-url", databaseURL, "--listen", "127.0.0.1:0"}, flags...), output{writer, m.stderr})
		_ = writer.Close()
		<-copied
		m.code <- code
	}()
	stdout := bufio.NewReader(reader)
	line, err := stdout.ReadString('\n')
	if err != nil {
		close(copied)
		t.Fatalf("exit %d before a URL was printed: %s", <-m.code, m.stderr)
	}
	m.url = strings.TrimSuffix(line, "\n")
	go func() {
		defer close(copied)
		_, _ = io.Copy(m.rest, stdout)
	}()
	t.Cleanup(func() {
		cancel()
		<-copied
	})
	return m
}

// heartbeat may be called by any goroutine.
func (m *runningMaster) heartbeat() (string, error) {
	response, err := http.Post(m.url+master.Path, "application/json",
		strings.NewReader(`{"method": "shard_heartbeat", "params": [{"shard_hostname": "one"}], "id": 1}`))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// databaseOfMaster has shard one and a host for it.
func databaseOfMaster(t *testing.T) (string, *pgxpool.Pool) {
	t.Helper()
	databaseURL := pgtest.Database(t)
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, sql := range []string{
		"INSERT INTO afe_shards (id, hostname) VALUES (1, 'one')",
		"INSERT INTO afe_labels (id, name) VALUES (1, 'board:a')",
		"INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1)",
		"INSERT INTO afe_hosts (id, hostname, leased) VALUES (1, 'host1', false)",
		"INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1)",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return databaseURL, pool
}

func TestMasterServesUntilItIsStopped(t *testing.T) {
	databaseURL, _ := databaseOfMaster(t)
	m := startMaster(t, databaseURL)
	if !regexp.MustCompile(`^http://127\.0\.0\.1:[1-9]\d*$`).MatchString(m.url) {
		t.Fatalf("printed %q, want the URL that was found", m.url)
	}
	if answer, err := m.heartbeat(); err != nil || !strings.Contains(answer, `"hostname":"host1"`) {
		t.Errorf("answer %s, %v; want host1", answer, err)
	}
	response, err := http.Get(m.url + master.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	var counts master.Counts
	if err := json.NewDecoder(response.Body).Decode(&counts); err != nil || counts.Heartbeats != 1 || counts.Statements == 0 {
		t.Errorf("counts %+v, %v; want one heartbeat", counts, err)
	}
	response.Body.Close()
	m.stop()
	if code := <-m.code; code != exitOK || m.rest.String() != "" {
		t.Errorf("exit %d, more on stdout %q; want 0 and nothing", code, m.rest)
	}
	if !regexp.MustCompile(`(?m) level=INFO msg=heartbeat shard=one known_hosts=0 .*sent_hosts=1 sent_jobs=0 .*took_ms=[\d.]+$`).MatchString(m.stderr.String()) {
		t.Errorf("no line of the heartbeat on stderr:\n%s", m.stderr)
	}
}

func TestMasterIsQuietWhenTold(t *testing.T) {
	databaseURL, _ := databaseOfMaster(t)
	m := startMaster(t, databaseURL, "--log-level", "warn")
	if _, err := m.heartbeat(); err != nil {
		t.Error(err)
	}
	m.stop()
	if code := <-m.code; code != exitOK || m.stderr.String() != "" {
		t.Errorf("exit %d, stderr %q; want 0 and nothing", code, m.stderr)
	}
}

func TestMasterSpeaksTheProtocolItIsTold(t *testing.T) {
	databaseURL, _ := databaseOfMaster(t)
	m := startMaster(t, databaseURL, "--protocol", "2015")
	if answer, err := m.heartbeat(); err != nil || strings.Contains(answer, "incorrect_host_ids") {
		t.Errorf("answer %s, %v; want none of 2019", answer, err)
	}
}

func TestMasterComparesNamesAsItIsTold(t *testing.T) {
	databaseURL, pool := databaseOfMaster(t)
	if _, err := pool.Exec(t.Context(), "UPDATE afe_shards SET hostname = 'ONE'"); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"exact": `"DoesNotExist"`, "nocase": `"hostname":"ONE"`} {
		m := startMaster(t, databaseURL, "--name-collation", flag)
		if answer, err := m.heartbeat(); err != nil || !strings.Contains(answer, want) {
			t.Errorf("%s: answer %s, %v; want %s", flag, answer, err, want)
		}
	}
}

// stopDuringHeartbeat stops a master while a heartbeat of it waits for a lock, and returns what the
// heartbeat got.
func stopDuringHeartbeat(t *testing.T, release func(m *runningMaster), flags ...string) (*runningMaster, string, error) {
	t.Helper()
	databaseURL, pool := databaseOfMaster(t)
	m := startMaster(t, databaseURL, flags...)
	type outcome struct {
		answer string
		err    error
	}
	ended := make(chan outcome, 1)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT id FROM afe_hosts FOR UPDATE"); err != nil {
			return err
		}
		go func() {
			answer, err := m.heartbeat()
			ended <- outcome{answer, err}
		}()
		for waiting := 0; waiting == 0; {
			if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity, pg_sleep(0.002)
				WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
				return err
			}
		}
		m.stop()
		release(m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o := <-ended
	return m, o.answer, o.err
}

// nobodyListens returns once the master takes no more requests.
func nobodyListens(m *runningMaster) {
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(m.url, "http://"))
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestMasterFinishesHeartbeatsInFlight(t *testing.T) {
	m, answer, err := stopDuringHeartbeat(t, nobodyListens, "--stop-timeout", "1m")
	if err != nil || !strings.Contains(answer, `"hostname":"host1"`) {
		t.Errorf("answer %s, %v; want host1", answer, err)
	}
	if code := <-m.code; code != exitOK {
		t.Errorf("exit %d, want 0; stderr:\n%s", code, m.stderr)
	}
}

func TestMasterDoesNotWaitForEver(t *testing.T) {
	var code int
	m, answer, err := stopDuringHeartbeat(t, func(m *runningMaster) { code = <-m.code }, "--stop-timeout", "20ms")
	if err == nil {
		t.Errorf("answer %s, want a connection that was cut off", answer)
	}
	if code != exitOK || !strings.Contains(m.stderr.String(), "heartbeats in flight were cut off") {
		t.Errorf("exit %d, stderr:\n%s", code, m.stderr)
	}
}

func TestMasterSaysWhyItDoesNotStart(t *testing.T) {
	databaseURL, pool := databaseOfMaster(t)
	newer := pgtest.Database(t)
	conn, err := pgx.Connect(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := strings.Replace(databaseURL, pool.Config().ConnConfig.Database, "no_such_database", 1)
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no schema":        {[]string{"--database-url", pgtest.EmptyDatabase(t)}, exitFailed, []string{"shard-client migrate up", "SHARD_CLIENT_DATABASE_URL", "SHARD_LAB_DATABASE_URL"}},
		"newer schema":     {[]string{"--database-url", newer}, exitFailed, []string{"schema version is 99999", "install the newer"}},
		"no database":      {[]string{"--database-url", missing}, exitFailed, []string{"reach the database", "no_such_database", "names the right database"}},
		"server down":      {[]string{"--database-url", "postgres://u:geheim@127.0.0.1:1/x"}, exitFailed, []string{"reach the database postgres://u@127.0.0.1:1/x", "see that PostgreSQL runs", "SHARD_LAB_DATABASE_URL"}},
		"unclear password": {[]string{"--database-url", "postgres://u:gehe@geheim@127.0.0.1:1/x"}, exitUsage, []string{"percent-encoded"}},
		"no URL":           {nil, exitUsage, []string{"--database-url"}},
		"address in use":   {[]string{"--database-url", databaseURL, "--listen", taken.Addr().String()}, exitFailed, []string{"address already in use", "port 0"}},
		"address not ours": {[]string{"--database-url", databaseURL, "--listen", "192.0.2.1:0"}, exitFailed, []string{"192.0.2.1", "--listen HOST:PORT of this machine"}},
		"no connections":   {[]string{"--database-url", databaseURL, "--max-connections", "0"}, exitUsage, []string{"--max-connections"}},
		"other protocol":   {[]string{"--database-url", databaseURL, "--protocol", "2016"}, exitUsage, []string{"2015", "2019"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := wait.Context(t) // one that starts after all is stopped
			var stdout, stderr bytes.Buffer
			code := run(ctx, append([]string{"master"}, c.args...), output{&stdout, &stderr})
			if code != c.code || stdout.Len() > 0 || strings.Contains(stderr.String(), "geheim") {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d, nothing and no password", code, &stdout, &stderr, c.code)
			}
			for _, part := range c.want {
				if !strings.Contains(stderr.String(), part) {
					t.Errorf("stderr %q, want %q in it", &stderr, part)
				}
			}
		})
	}
}

// A URL that a program reads must be one that it can open.
func TestMasterPrintsAnAddressThatCanBeReached(t *testing.T) {
	for _, c := range []struct{ bound, want string }{
		{"0.0.0.0", "localhost:80"}, {"::", "localhost:80"}, {"127.0.0.1", "127.0.0.1:80"}, {"::1", "[::1]:80"},
	} {
		if got := reachableAddress(&net.TCPAddr{IP: net.ParseIP(c.bound), Port: 80}); got != c.want {
			t.Errorf("%s: %s, want %s", c.bound, got, c.want)
		}
	}
}

func TestMasterKeepsTheEnvironmentOfItsDatabase(t *testing.T) {
	databaseURL, _ := databaseOfMaster(t)
	t.Setenv("PGAPPNAME", "seen")
	m := startMaster(t, databaseURL)
	conn, err := pgx.Connect(t.Context(), databaseURL+"&application_name=test")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'seen'").Scan(&n); err != nil || n == 0 {
		t.Errorf("%d connections with what PGAPPNAME says, %v", n, err)
	}
	m.stop()
	<-m.code
}
