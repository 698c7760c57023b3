//go:build mariadb

package move_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/faults"
	"shardclient/runner/lab/converge"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/master/admin"
	"shardclient/runner/move"
	"shardclient/runner/pgtest"
)

// moved returns the same shard on a new database, and a scheduler that begins there.
func moved(t testing.TB, s *faults.Shard, seed uint64) *faults.Shard {
	t.Helper()
	return movedTo(t, s, pgtest.Database(t), seed)
}

func movedTo(t testing.TB, s *faults.Shard, database string, seed uint64) *faults.Shard {
	t.Helper()
	n := &faults.Shard{Hostname: s.Hostname, Board: s.Board, DatabaseURL: database}
	var err error
	if n.DB, err = pgxpool.New(t.Context(), n.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.DB.Close)
	if n.Scheduler, err = scheduler.New(n.DB, scheduler.Options{Seed: seed}); err != nil {
		t.Fatal(err)
	}
	return n
}

const halves = `SELECT count(*) FROM (
	SELECT j.id FROM afe_jobs AS j JOIN afe_host_queue_entries AS e ON e.job_id = j.id WHERE j.shard_id IS NOT NULL
	GROUP BY j.id HAVING bool_or(e.complete) AND bool_or(NOT e.complete)) AS h`

// A shard with open, half-uploaded and unsent jobs moves in while its master and another shard go
// on, works there, moves back, and in again: every completion arrives, none is lost, and nothing
// runs twice.
func TestMoveInAndBackWhileTheMasterGoesOn(t *testing.T) {
	t.Parallel()
	l := faults.NewLab(t, faults.Options{Shards: 2, FailShare: 0.2, HostsPerShard: 3})
	s, other := l.Shards[0], l.Shards[1]
	create := func(pairs int) {
		t.Helper()
		for range pairs {
			job := admin.NewJob{Name: "pair", Owner: "alice", MetaHosts: []string{s.Board, s.Board}, Dependencies: []string{s.Board}}
			if _, err := l.People.CreateJobs(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
	}
	beat := func() {
		t.Helper()
		if code := l.Start(l.Shards[0], "once").End(); code != 0 {
			t.Fatalf("the beat ended with %d", code)
		}
	}
	turn := func() {
		t.Helper()
		if _, err := l.Shards[0].Scheduler.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.CreateJobs(other, 5)
	neighbour := l.Start(other, "run")
	l.CreateJobs(s, 4)
	create(4)
	beat()
	for pgtest.Query[int](t, s.DB, halves) == 0 {
		turn()
		beat()
	}
	for pgtest.Query[int](t, s.DB, "SELECT count(*) FROM afe_jobs AS j WHERE shard_id IS NULL AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete)") == 0 {
		turn()
	}

	old := newOldShard(t)
	back := func() (r move.Returned) {
		t.Helper()
		e := client(t, "export", "--to", old.address(), "--database-url", l.Shards[0].DatabaseURL, "--output", "json").want(t, 0)
		if err := json.Unmarshal([]byte(e.stdout), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	client(t, "export", "--to", old.address(), "--database-url", s.DatabaseURL).want(t, 1, "it is not the one that was imported")
	old.do("INSERT INTO afe_hosts (id, hostname, protection, dirty) SELECT ?, 'shard1-host1', 0, 0", pgtest.Query[int](t, s.DB, "SELECT min(id) FROM afe_hosts"))
	first := back()
	if len(first.WaitingJobs) == 0 {
		t.Error("no job waits for its upload: the test shows nothing")
	}
	in := func(seed uint64, flags ...string) {
		t.Helper()
		l.CreateJobs(l.Shards[0], 2) // the master goes on
		l.Shards[0] = moved(t, l.Shards[0], seed)
		var r move.Report
		args := append([]string{"import", "--from", old.address(), "--database-url", l.Shards[0].DatabaseURL, "--output", "json"}, flags...)
		e := client(t, args...).want(t, 0)
		if err := json.Unmarshal([]byte(e.stdout), &r); err != nil {
			t.Fatal(err)
		}
		if waiting := old.ask("SELECT GROUP_CONCAT(DISTINCT j.id ORDER BY j.id) FROM afe_jobs j JOIN afe_host_queue_entries e ON e.job_id = j.id AND e.complete WHERE j.shard_id IS NULL"); len(r.WaitingJobs) != len(slices.DeleteFunc(strings.Split(waiting, ","), func(id string) bool { return id == "NULL" })) {
			t.Errorf("%v wait here, %s in MySQL", r.WaitingJobs, waiting)
		}
		packet := client(t, "packet", "--shard-hostname", s.Hostname, "--database-url", l.Shards[0].DatabaseURL).want(t, 0).stdout
		known, _ := json.Marshal(r.KnownJobs)
		if !strings.Contains(packet, `"known_job_ids":`+string(known)) {
			t.Errorf("known jobs are %s in the report, and otherwise in the packet:\n%.300s", known, packet)
		}
	}
	in(11)
	beat()
	for range 6 {
		turn()
		beat()
	}
	turn()
	back()
	if again := back(); slices.ContainsFunc(again.Tables, func(o move.ReturnedOf) bool {
		return o.Updated != 0 || o.Inserted != 0 && !owned[o.Table]
	}) {
		t.Errorf("the second export changed something: %+v", again)
	}
	in(12, "--all") // MySQL has what finished before the first import, too: Agree wants to see it
	beat()
	l.Work(l.Shards[0])
	beat()
	l.Work(l.Shards[0])
	beat()
	l.Work(other)
	beat()
	neighbour.Stop()
	if code := l.Start(other, "once").End(); code != 0 {
		t.Fatalf("the other shard's beat ended with %d", code)
	}
	report := l.Compare()
	wrong := slices.DeleteFunc(report.Disagreements, func(d converge.Disagreement) bool {
		_, rest, _ := strings.Cut(d.String(), "_on is ")
		here, there, _ := strings.Cut(strings.TrimSuffix(rest, " on the master"), " here, ")
		return strings.HasPrefix(there, here+".") // MySQL has whole seconds
	})
	if want := 5 + 4 + 2*4 + 2*2; report.Lost+report.Duplicated != 0 || report.Complete != want || len(wrong) > 0 {
		t.Errorf("want %d complete entries, none lost, none run twice: %+v, %v", want, report, wrong)
	}
}

// owned are the tables whose rows are written anew each time.
var owned = map[string]bool{
	"afe_acl_groups_users": true, "afe_acl_groups_hosts": true, "afe_hosts_labels": true, "afe_host_attributes": true,
	"afe_jobs_dependency_labels": true, "afe_job_keyvals": true,
}
