package shard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/schema"
)

// encoded returns a pool to a migrated database with the given encoding. Sessions speak UTF8.
func encoded(t *testing.T, encoding string) *pgxpool.Pool {
	t.Helper()
	admin := pgtest.Pool(t)
	name := admin.Config().ConnConfig.Database + "_" + strings.ToLower(encoding)
	pgtest.Exec(t, admin, fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", name, encoding))
	url := strings.Replace(admin.Config().ConnString(), admin.Config().ConnConfig.Database, name, 1)
	if !strings.Contains(url, name) {
		t.Fatalf("no database in %s", url)
	}
	url += "&client_encoding=UTF8"
	if _, err := schema.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		if _, err := admin.Exec(context.Background(), "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// What a database in LATIN1 cannot hold is set aside alone, whatever of it that is; what it can
// hold is stored as it was sent.
func TestADatabaseThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	pool, master := encoded(t, "LATIN1"), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	const no = "日本"
	in := func(s, old string) string { return replaced(t, s, old, no) }
	jobs := []string{
		replaced(t, job(1, entry(1)), "alice", "Zoë"), in(job(2, entry(2)), "alice"), in(job(3, entry(3)), "job3"),
		in(job(4, entry(4)), "NAME = 'x'"), in(job(5, entry(5)), "eve"), in(job(6, entry(6)), "Queued"),
		replaced(t, job(7, entry(7)), `"dependency_labels": []`, `"dependency_labels": [{"id": 9, "name": "日本"}]`), job(8, entry(8)),
	}
	hosts := []string{host(1, "h1"), host(2, no), in(host(3, "h3"), "Ready"), labelled(4, 1, no, 1, "g"), labelled(5, 2, "l", 1, "g", user(1, no))}
	master.saysResult(result(hosts, jobs, []string{keyval(1, "k", no), keyval(2, "l", "é")}))
	for range 2 {
		mustBeat(t, client)
		var aside []string
		for _, line := range quarantine(t, pool) {
			kind, _, _ := strings.Cut(line, ": ")
			aside = append(aside, kind)
		}
		want := []string{
			"in host 2 database", "in host 3 database", "in host 4 database", "in host 5 database", "in job 2 database", "in job 3 database",
			"in job 4 database", "in job 5 database", "in job 6 database", "in job 7 database", "in suite_keyval 1 database",
		}
		if diff := cmp.Diff(want, aside); diff != "" {
			t.Fatalf("set aside (-want +got):\n%s", diff)
		}
	}
	for want, sql := range map[string]string{
		"1 Zoë, 8 alice": "SELECT string_agg(id || ' ' || owner, ', ' ORDER BY id) FROM afe_jobs",
		"1":              "SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_hosts",
		"é":              "SELECT string_agg(value, ' ' ORDER BY id) FROM afe_job_keyvals WHERE key = 'l'",
		"ok ok":          "SELECT string_agg(outcome, ' ' ORDER BY id) FROM shard_client_heartbeats",
	} {
		if got := pgtest.Query[string](t, pool, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}

// Our own texts fit into any database: the history, the reasons of both directions, also when they
// were cut.
func TestOurOwnTextsFit(t *testing.T) {
	t.Parallel()
	const words = "日本 é"
	for encoding, want := range map[string]string{"LATIN1": `\u65e5\u672c \u00e9`, "UTF8": words, "SQL_ASCII": words} {
		for _, message := range []string{words, words + strings.Repeat(" long", 1000)} {
			pool, master := encoded(t, encoding), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2015), options())
			malformed := replaced(t, job(2, entry(2)), `"priority": 20`, fmt.Sprintf(`"priority": %q`, message))
			master.saysResult(result(nil, []string{job(1, entry(1)), malformed}, nil))
			mustBeat(t, client)
			if line := aside(t, pool, "in job 2 malformed: "); !strings.Contains(line, want) {
				t.Errorf("%s: %s, want %s in it", encoding, line, want)
			}
			pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true")
			pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
			master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if len(lastPacket(t, master).Jobs) > 0 {
					_, _ = fmt.Fprintf(w, `{"result": null, "error": {"name": "UnallowedRecordsSentToMaster", "message": %q}, "id": "jsonrpc"}`, message)
					return
				}
				_, _ = io.WriteString(w, `{"result": `+result(nil, nil, nil)+`, "error": null, "id": "jsonrpc"}`)
			}))
			for range 6 {
				client.Beat(t.Context(), time.Now())
			}
			if line := aside(t, pool, "out job 1 refused: "); !strings.Contains(line, want) {
				t.Errorf("%s: %s, want %s in it", encoding, line, want)
			}
			if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_heartbeats WHERE position($1 IN error) > 0", want); n == 0 {
				t.Errorf("%s: no beat in the history has the words of the master", encoding)
			}
		}
	}
}
