package shard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// Of an answer that is here already nothing is written. Whatever differs is.
func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	t.Parallel()
	const boardLabel, poolLabel = `{"id": 5, "name": "board:eve"}`, `{"id": 6, "name": "pool:x"}`
	const group = `{"id": 3, "name": "g", "users": [{"id": 4, "login": "alice"}]}`
	h := replaced(t, replaced(t, replaced(t, host(1, "h1"), `"labels": []`, `"labels": [`+boardLabel+`]`),
		`"aclgroup_set": []`, `"aclgroup_set": [`+group+`]`), `"hostattribute_set": []`,
		`"hostattribute_set": [{"attribute": "b", "value": "2"}, {"attribute": "a", "value": "1"}]`)
	j := replaced(t, replaced(t, job(7, entry(1007, `"aborted": false`), `{"id": 1008, "status": "Queued", "host_id": 1}`),
		`"dependency_labels": []`, `"dependency_labels": [`+boardLabel+`]`),
		`{"id": 1, "key": "build", "value": "eve"}`, `{"key": "ü", "value": "1 1 a"}, {"key": "build", "value": "eve"}, {"key": "build", "value": "eve"}`)
	suite := `{"id": 1, "job_id": 2, "key": "suite", "value": "bvt"}`

	pool, seen := tracedPool(t, pgtest.Database(t))
	master := newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	writes := func(h, j, suite string) int {
		master.saysResult(result([]string{h}, []string{j}, []string{suite}))
		seen.sql = nil
		mustBeat(t, client)
		return seen.count("OwnerFence")
	}
	writes(h, j, suite)
	master.saysResult(result(nil, nil, nil))
	seen.sql = nil
	mustBeat(t, client)
	idle := seen.count("OwnerFence")
	if n := writes(h, j, suite); n != idle {
		t.Errorf("%d transactions that write for the same answer, want the %d of an idle beat", n, idle)
	}
	for _, tt := range []struct{ of, old, now, query, want string }{
		{"", `"hostname": "shard1.example"`, `"hostname": "shard2.example"`, "SELECT hostname FROM afe_shards WHERE id = 1", "shard2.example"},
		{h, `"leased": false`, `"leased": false, "invalid": true`, "SELECT invalid::text FROM afe_hosts", "true"},
		{h, boardLabel, boardLabel + "," + poolLabel, "SELECT count(*)::text FROM afe_hosts_labels", "2"},
		{"", `"name": "board:eve"`, `"name": "board:wall-e"`, "SELECT name FROM afe_labels WHERE id = 5", "board:wall-e"},
		{h, group, group + `,{"id": 8, "name": "new"}`, "SELECT count(*)::text FROM afe_acl_groups_hosts", "2"},
		{h, `{"id": 4, "login": "alice"}`, `{"id": 4, "login": "alice"}, {"id": 9, "login": "bob"}`, "SELECT count(*)::text FROM afe_acl_groups_users", "2"},
		{h, `{"attribute": "b", "value": "2"}, `, ``, "SELECT string_agg(value, '') FROM afe_host_attributes", "1"},
		{h, `"value": "2"`, `"value": "3"`, "SELECT string_agg(value, '' ORDER BY value) FROM afe_host_attributes", "13"},
		{j, `"aborted": false`, `"aborted": true`, "SELECT aborted::text FROM afe_host_queue_entries WHERE id = 1007", "true"},
		{j, `"meta_host": null`, `"meta_host": ` + boardLabel, "SELECT meta_host::text FROM afe_host_queue_entries WHERE id = 1007", "5"},
		{j, `"shard": {"id": 1, "hostname": "shard1.example"}`, `"shard": null`, "SELECT coalesce(shard_id::text, 'NULL') FROM afe_jobs", "NULL"},
		{j, boardLabel, poolLabel, "SELECT string_agg(label_id::text, ' ' ORDER BY label_id) FROM afe_jobs_dependency_labels", "5 6"},
		{j, `{"key": "build", "value": "eve"}, `, ``, "SELECT count(*)::text FROM afe_job_keyvals WHERE job_id = 7", "2"},
		{j, `"value": "1 1 a"`, `"value": "1 1 b"`, "SELECT value FROM afe_job_keyvals WHERE key = 'ü'", "1 1 b"},
		{j, `"id": 1008`, `"id": 1009`, "SELECT count(*)::text FROM afe_host_queue_entries", "3"},
		{suite, `"bvt"`, `"cq"`, "SELECT value FROM afe_job_keyvals WHERE job_id = 2", "cq"},
	} {
		answer := [3]string{h, j, suite}
		for i := range answer {
			if answer[i] == tt.of {
				answer[i] = replaced(t, tt.of, tt.old, tt.now)
			} else if tt.of == "" { // wherever it stands
				answer[i] = strings.ReplaceAll(answer[i], tt.old, tt.now)
			}
		}
		writes(answer[0], answer[1], answer[2])
		if got := pgtest.Query[string](t, pool, tt.query); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.now, got, tt.want)
		}
		pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1")
		writes(h, j, suite)
	}
}

// What has a reason to be written though it is here as it was sent: a row of the quarantine, a
// taken id, a completion that the master does not know.
func TestWhatIsHereMayBeMarked(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{host(1, "h1")}, []string{job(7, entry(1007))}, nil))
	mustBeat(t, client)
	for what, tt := range map[string]struct{ before, query string }{
		"a job in the quarantine": {`INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('in', 'job', 7, 'database', '', '', 0, '')`, "SELECT count(*) = 0 FROM shard_client_quarantine"},
		"a host in the quarantine": {`INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('in', 'host', 1, 'database', '', '', 0, '')`, "SELECT count(*) = 0 FROM shard_client_quarantine"},
		"a taken job":  {"INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('job', 7, '')", "SELECT count(*) = 0 FROM shard_client_taken"},
		"a taken host": {"INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('host', 1, '')", "SELECT count(*) = 0 FROM shard_client_taken"},
	} {
		pgtest.Exec(t, pool, tt.before)
		mustBeat(t, client)
		if !pgtest.Query[bool](t, pool, tt.query) {
			t.Errorf("%s is not forgotten", what)
		}
	}
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true; ")
	mustBeat(t, client)
	if !pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs") {
		t.Error("a job that is complete here, and that the master sends, is not marked for upload")
	}
}

// A job that comes with a complete entry is stored and marked for upload at once.
func TestANewJobThatIsCompleteIsMarked(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result(nil, []string{job(7, entry(1007), `{"id": 1008, "status": "Completed"}`), job(8, entry(1009))}, nil))
	mustBeat(t, client)
	if got := pgtest.Query[string](t, pool, "SELECT string_agg(id || ' ' || coalesce(shard_id::text, 'NULL'), ', ' ORDER BY id) FROM afe_jobs"); got != "7 NULL, 8 1" {
		t.Error(got)
	}
}

// Two jobs of a chunk name one new entry. The first has it, be it here already or new.
func TestAnEntryInTwoJobsOfAChunk(t *testing.T) {
	t.Parallel()
	for _, here := range []bool{false, true} {
		pool, master := pgtest.Pool(t), newMaster(t)
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
		if here {
			master.saysResult(result(nil, []string{job(7, entry(1007))}, nil))
			mustBeat(t, client)
		}
		master.saysResult(result(nil, []string{job(7, entry(1007), entry(1008)), job(8, entry(1008)), job(9, entry(1009))}, nil))
		mustBeat(t, client)
		got := pgtest.Query[string](t, pool, "SELECT string_agg(job_id || ':' || id, ' ' ORDER BY id) FROM afe_host_queue_entries")
		if got != "7:1007 7:1008 9:1009" {
			t.Errorf("here %t: %s", here, got)
		}
		aside(t, pool, "in job 8 entry_taken")
	}
}

// A label may stand in a job or a host twice, and a group in a host.
func TestANameThatStandsTwice(t *testing.T) {
	t.Parallel()
	const label, group = `{"id": 5, "name": "a"}`, `{"id": 3, "name": "g"}`
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result(
		[]string{replaced(t, replaced(t, host(1, "h1"), `"labels": []`, `"labels": [`+label+`,`+label+`]`), `"aclgroup_set": []`, `"aclgroup_set": [`+group+`,`+group+`]`)},
		[]string{replaced(t, job(7, entry(1007)), `"dependency_labels": []`, `"dependency_labels": [`+label+`,`+label+`]`)}, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%q", quarantine(t, pool))
	}
	for _, table := range []string{"afe_hosts_labels", "afe_acl_groups_hosts", "afe_jobs_dependency_labels"} {
		if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM "+table); n != 1 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// interloper runs a statement of another session once, after a statement of ours.
type interloper struct {
	after string
	run   func()
}

func (i *interloper) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, i, q.SQL)
}

func (i *interloper) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	sql, _ := ctx.Value(i).(string)
	i.ran(sql)
}

func (i *interloper) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (i *interloper) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	i.ran(q.SQL)
}

func (i *interloper) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (i *interloper) ran(sql string) {
	if i.run != nil && strings.HasPrefix(sql, "-- name: "+i.after+" ") {
		run := i.run
		i.run = nil
		run()
	}
}

// Another session stores a row of the chunk after the client has looked, and before it copies. The
// chunk is tried again, and finds the row here.
func TestAnotherSessionStoresTheSameRow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ after, sql string }{
		"job":   {"JobsFind", "INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (7, 'alice', 'job7', '2019-03-15 10:20:31.123')"},
		"host":  {"HostsFind", "INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h1')"},
		"label": {"ParentsFind", "INSERT INTO afe_labels (id, name) VALUES (5, 'a')"},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.Database(t)
			other, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			config, err := pgxpool.ParseConfig(url)
			if err != nil {
				t.Fatal(err)
			}
			interferes := &interloper{after: tt.after, run: func() { pgtest.Exec(t, other, tt.sql) }}
			config.ConnConfig.Tracer = interferes
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			master := newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(result([]string{replaced(t, host(1, "h1"), `"labels": []`, `"labels": [{"id": 5, "name": "a"}]`)}, goodJobs(9), nil))
			b := mustBeat(t, client)
			if interferes.run != nil {
				t.Fatal("nothing interfered")
			}
			got := pgtest.Query[string](t, other, `SELECT (SELECT count(*) FROM afe_hosts_labels) || ' ' || count(*) || ' ' || (SELECT count(*) FROM afe_jobs)
				FROM afe_host_queue_entries`)
			if want := "1 9 9"; got != want || b.Quarantined != 0 {
				t.Errorf("%s, want %s; %d set aside: %s", got, want, b.Quarantined, fmt.Sprint(quarantine(t, other)))
			}
		})
	}
}
