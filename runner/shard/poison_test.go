package shard_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/answer"
	"shardclient/runner/beat"
	"shardclient/runner/lab/replay"
	"shardclient/runner/objects"
	"shardclient/runner/pgtest"
)

// 20,000 objects that cannot be used cost as much as one and make one line in the log, and nobody
// ever sees more rows than --quarantine-keep.
func TestP6ManyBadObjects(t *testing.T) {
	t.Parallel()
	pool, seen := tracedPool(t, pgtest.Database(t))
	master, o := newMaster(t), options()
	var log bytes.Buffer
	o.QuarantineKeep, o.Logger = 50, slog.New(slog.NewTextHandler(&log, nil))
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	pgtest.Exec(t, pool, `CREATE FUNCTION bounded() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT count(*) FROM shard_client_quarantine) > 50 THEN RAISE 'too many rows' USING ERRCODE = '55000'; END IF; RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER bounded AFTER INSERT ON shard_client_quarantine DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION bounded();
		CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT count(*) FROM added) > 50 THEN RAISE 'too many at once' USING ERRCODE = '55000'; END IF; RETURN NULL;
		END $$;
		CREATE TRIGGER few AFTER INSERT ON shard_client_quarantine REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION few()`)
	answer := func(from, to int) string {
		var hosts strings.Builder
		for id := from; id < to; id++ {
			fmt.Fprintf(&hosts, `{"id": %d, "hostname": 7},`, id)
		}
		return result([]string{hosts.String() + host(1, "h1")}, nil, nil)
	}
	master.saysResult(answer(1000, 1100))
	mustBeat(t, client)
	few := len(seen.sql)
	master.saysResult(answer(2000, 22_000))
	log.Reset()
	seen.sql = nil
	if b := mustBeat(t, client); b.Quarantined != 20_000 {
		t.Errorf("set aside %d, want 20,000", b.Quarantined)
	}
	if many := len(seen.sql); many > few {
		t.Errorf("%d statements for 20,000 bad objects, %d for 100", many, few)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || len(log.String()) > 1000 {
		t.Errorf("%d lines of %d bytes in the log, want one short one", lines, log.Len())
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_quarantine WHERE object_id >= 2000"); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts"); n != 1 {
		t.Errorf("%d hosts, want the good one", n)
	}
}

// With two hundred chunks of objects that only PostgreSQL refuses, a beat halves chunks a limited
// number of times. The rest is left for the next beat, and the error says so.
func TestP9RefusedObjectsCostABoundedBeat(t *testing.T) {
	t.Parallel()
	const splits, chunks, chunk = 100, 202, 50
	const bad, all = (chunks - 2) * chunk, chunks * chunk
	pool, seen := tracedPool(t, pgtest.Database(t))
	master, o := newMaster(t), options()
	o.ApplyChunk = chunk
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	client.SetMaxSplits(splits)
	pgtest.Exec(t, pool, "ALTER TABLE afe_job_keyvals ADD CHECK (value <> 'bad')")
	var keyvals strings.Builder
	for id := 1; id <= all; id++ {
		value := "bad"
		if id == 10 || id > bad {
			value = "good"
		}
		fmt.Fprintf(&keyvals, `{"id": %d, "job_id": %d, "key": "k", "value": %q},`, id, id, value)
	}
	master.saysResult(result(nil, nil, []string{strings.TrimSuffix(keyvals.String(), ",")}))
	client.Beat(t.Context(), time.Now())
	seen.sql = nil
	b := client.Beat(t.Context(), time.Now())
	if b.Failure != beat.FailureDatabase ||
		!strings.Contains(b.Error, "are left for the next beat") || !strings.Contains(b.Error, "violates check constraint") {
		t.Errorf("%s %s: %s", b.Outcome, b.Failure, b.Error)
	}
	// BEGIN, epoch, bounds, comparison, COMMIT for each chunk; BEGIN, fence, bounds, locks, store,
	// forget, COMMIT for each attempt.
	if n := len(seen.sql); n > 5*chunks+7*(chunks+2*splits)+50 {
		t.Errorf("%d statements", n)
	}
	if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_job_keyvals WHERE job_id > $1", bad); n != all-bad {
		t.Errorf("%d good keyvals stored, want all of the chunks without bad ones", n)
	}
	if b.Quarantined == 0 || b.Quarantined > 2*splits {
		t.Errorf("set aside %d, want those that were told apart", b.Quarantined)
	}
}

// However many objects PostgreSQL refuses, beat by beat the good ones among them are stored,
// because a beat begins with those that were not yet told apart. An object that was mended has its
// turn, too.
func TestP10GoodObjectsAmongManyRefused(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.ApplyChunk = 10
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	client.SetMaxSplits(8)
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs ADD CONSTRAINT poison CHECK (id % 2 = 0)")
	master.saysResult(result(nil, goodJobs(120), nil))
	beatUntil := func(jobs int) {
		for range 40 {
			client.Beat(t.Context(), time.Now())
			if pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs") == jobs {
				return
			}
		}
		t.Fatalf("%d jobs stored after 40 beats, want %d", pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs"), jobs)
	}
	beatUntil(60)
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs DROP CONSTRAINT poison")
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs ADD CONSTRAINT poison CHECK (id % 2 = 0 OR id = 119)")
	beatUntil(61)
	pgtest.Exec(t, pool, "ALTER TABLE afe_jobs DROP CONSTRAINT poison")
	mustBeat(t, client)
	if rows := quarantine(t, pool); len(rows) != 0 {
		t.Errorf("quarantine after all were mended: %q", rows)
	}
}

// Values of any size and depth harm only the object that holds them, and only the beginning of it
// is kept.
func TestP6HugeAndDeepValues(t *testing.T) {
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	// The race detector reads 16 MB byte by byte for eight seconds. So much is still too long for
	// memory.
	defer func(bytes int64) { objects.MaxBytes = bytes }(objects.MaxBytes)
	objects.MaxBytes = int64(answer.MaxInMemory)
	long, digits := strings.Repeat("x", answer.MaxInMemory+1), strings.Repeat("7", 200_000)
	deep := strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)
	jobs := append(goodJobs(3),
		strings.Replace(job(11, entry(1011)), "job11", long, 1),
		strings.Replace(job(12, entry(1012)), `"priority": 20`, `"priority": `+digits, 1),
		strings.Replace(job(13, entry(1013)), "1013", digits, 1),
		strings.Replace(job(14, entry(1014)), `"alice"`, deep, 1),
		strings.Replace(job(15, entry(1015)), `"dependency_labels": []`, `"dependency_labels": `+deep, 1),
		job(16, entry(9223372036854775807)), strings.Replace(job(17), `"priority": 20`, `"priority": 9223372036854775808`, 1),
	)
	master.saysResult(result([]string{host(1, "h1")}, jobs, nil))
	if b := mustBeat(t, client); b.Quarantined != 6 || pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts") != 1 {
		t.Errorf("%d objects set aside: %q", b.Quarantined, quarantine(t, pool))
	}
	if got := pgtest.Query[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_jobs"); got != "1 2 3 16" {
		t.Errorf("jobs %s", got)
	}
	const kept = `SELECT string_agg(object_id || ' ' || (octet_length(payload) <= 65536) || ' ' || (payload_bytes > 65536), ', ' ORDER BY object_id)
		FROM shard_client_quarantine`
	want := "11 true true, 12 true true, 13 true true, 14 true false, 15 true false, 17 true false"
	if got := pgtest.Query[string](t, pool, kept); got != want {
		t.Errorf("id, whether the payload is cut, and was longer: %s, want %s", got, want)
	}
	if n := pgtest.Query[int](t, pool, "SELECT max(octet_length(reason)) FROM shard_client_quarantine"); n > 600 {
		t.Errorf("a reason of %d bytes", n)
	}
}

// An invalid host has no claim to its name: another host of the same answer gets the name, in
// whatever order they come, and the answer can be stored again.
func TestP6InvalidHostLeavesItsName(t *testing.T) {
	t.Parallel()
	invalid := strings.Replace(host(1, "h"), `"leased"`, `"invalid": true, "leased"`, 1)
	for _, chunk := range []int{1, 500} {
		for order, hosts := range map[string][]string{"first": {invalid, host(2, "h")}, "last": {host(2, "h"), invalid}} {
			for _, here := range []string{"new", "valid here", "invalid here"} {
				t.Run(fmt.Sprintf("%s, %s, %d", here, order, chunk), func(t *testing.T) {
					pool, master := pgtest.Pool(t), newMaster(t)
					o := options()
					o.ApplyChunk = chunk
					client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
					if here != "new" {
						pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname, invalid) VALUES (1, 'h', $1)", here == "invalid here")
					}
					master.saysResult(result(hosts, nil, nil))
					var before *replay.Snapshot
					for turn := range 3 {
						mustBeat(t, client)
						got := pgtest.Query[string](t, pool, "SELECT string_agg(id || '=' || hostname || ' ' || invalid, ', ' ORDER BY id) FROM afe_hosts")
						if want := "1=h (was id 1) true, 2=h false"; got != want || len(quarantine(t, pool)) > 0 {
							t.Errorf("%s, want %s; quarantine %q", got, want, quarantine(t, pool))
						}
						after := snapshot(t, pool)
						if diff := cmp.Diff(before, after); turn > 0 && diff != "" {
							t.Errorf("the same answer again (-before +after):\n%s", diff)
						}
						before = after
					}
				})
			}
		}
	}
}

// An invalid host is kept under another name where its own is taken, by a valid host or by an
// invalid one that came first.
func TestP6InvalidHostsWithTakenNames(t *testing.T) {
	t.Parallel()
	for _, chunk := range []int{1, 500} {
		pool, master := pgtest.Pool(t), newMaster(t)
		o := options()
		o.ApplyChunk = chunk
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (5, 'v')")
		answer := result([]string{host(1, "h"), host(2, "h"), host(3, "v")}, nil, nil)
		master.saysResult(strings.ReplaceAll(answer, `"leased"`, `"invalid": true, "leased"`))
		for range 3 {
			mustBeat(t, client)
			got := pgtest.Query[string](t, pool, "SELECT string_agg(id || '=' || hostname, ', ' ORDER BY id) FROM afe_hosts")
			if want := "1=h, 2=h (was id 2), 3=v (was id 3), 5=v"; got != want || len(quarantine(t, pool)) > 0 {
				t.Errorf("chunks of %d: %s, want %s; quarantine %q", chunk, got, want, quarantine(t, pool))
			}
		}
	}
}

// Of two objects that claim the same thing the first has it, whether or not they stand in one
// chunk.
func TestP6FirstClaimCounts(t *testing.T) {
	t.Parallel()
	for chunk, whose := range map[int]string{1: "here, which is valid", 500: "which came first in this response"} {
		pool, master := pgtest.Pool(t), newMaster(t)
		o := options()
		o.ApplyChunk = chunk
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
		master.saysResult(result([]string{host(2, "h"), host(1, "h"), host(3, "h3")},
			[]string{job(2, entry(5), entry(6)), job(1, entry(7), entry(6)), job(3, entry(8))}, nil))
		mustBeat(t, client)
		rows := quarantine(t, pool)
		if len(rows) != 2 ||
			!strings.HasPrefix(rows[0], "in host 1 name_taken: its hostname belongs to host 2") ||
			!strings.HasSuffix(rows[0], whose) ||
			!strings.HasPrefix(rows[1], "in job 1 entry_taken: entry 6 belongs to job 2") {
			t.Errorf("chunks of %d: %q", chunk, rows)
		}
		if n := pgtest.Query[int](t, pool, "SELECT (SELECT count(*) FROM afe_hosts) * 10 + (SELECT count(*) FROM afe_jobs)"); n != 22 {
			t.Errorf("chunks of %d: %d, want 2 hosts and 2 jobs", chunk, n)
		}
	}
}
