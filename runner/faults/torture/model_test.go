package torture

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

const (
	// rpcTimeout is longer than a check takes: until ForgetUnsure, whatever was given up may still
	// be stored.
	rpcTimeout = time.Hour

	shards        = 2
	hostsPerShard = 3

	// What settling may take, once no fault happens any more: rounds of a beat and of all that the
	// scheduler can do then, and after the last round beats until both sides agree. The search for
	// a record that the master refused may be in its middle, which takes a beat for each halving.
	maxRounds = 12
	maxBeats  = 3
)

// TestModel plays random steps of people, schedulers and clients, with faults, and looks after each
// step.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(check *rapid.T) {
		w := newWorld(t, check)
		defer w.end()
		// A step that cannot happen now says so by rapid's Skip, and another one is drawn: no test
		// is left out.
		check.Repeat(map[string]func(*rapid.T){
			"":                     w.check,
			"create":               w.create,
			"create suite":         w.createSuite,
			"turns":                w.turns,
			"beat":                 w.beat,
			"busy":                 w.busy,
			"busy, again":          w.busy,
			"busy, once more":      w.busy,
			"beat, crash":          w.beatAndCrash,
			"take over":            w.takeOver,
			"second client":        w.secondClient,
			"late requests":        w.lateRequests,
			"connections":          w.loseConnections,
			"abort":                w.abort,
			"move":                 w.move,
			"break or mend":        w.breakObject,
			"refuse, or no longer": w.refuse,
			"backup":               w.restoreBackup,
		})
		w.settle()
	})
}

// stage lets what is made for one check end with it.
type stage struct {
	testing.TB
	check *rapid.T
}

func (s stage) Cleanup(do func())                 { s.check.Cleanup(do) }
func (s stage) Context() context.Context          { return s.check.Context() }
func (s stage) Fatal(args ...any)                 { s.check.Fatal(args...) }
func (s stage) Fatalf(format string, args ...any) { s.check.Fatalf(format, args...) }
func (s stage) Error(args ...any)                 { s.check.Error(args...) }
func (s stage) Errorf(format string, args ...any) { s.check.Errorf(format, args...) }
func (s stage) Failed() bool                      { return s.check.Failed() }

// world is the lab of one check.
type world struct {
	t        *rapid.T
	lab      *faults.Lab
	network  *network
	stations []*station

	jobs     []int64         // that go to shards
	stays    map[string]bool // hosts that jobs name
	bad      map[string]bool // ever broken, as in network.bad
	refused  string          // the master's row of an entry that was deleted there, as JSON; "": none
	searched bool            // a record was refused in this check: beats may fail for it
	second   bool            // the second client was tried, which takes a second
	backups  int             // how often the master was put back
}

func newWorld(t *testing.T, check *rapid.T) *world {
	w := &world{t: check, network: &network{bad: map[string]bool{}}, bad: map[string]bool{}, stays: map[string]bool{}}
	w.lab = faults.NewLab(stage{t, check}, faults.Options{Shards: shards, HostsPerShard: hostsPerShard, FailShare: 0.2, Seed: 1})
	w.lab.Between(w.network.between)
	for _, s := range w.lab.Shards {
		pgtest.Exec(w.t, s.DB, auditSQL)
		w.stations = append(w.stations, &station{Shard: s})
		w.stock(check, w.stations[len(w.stations)-1])
	}
	return w
}

func (w *world) end() {
	for _, s := range w.stations {
		w.dismiss(s)
	}
}

// dismiss ends the client of a station. The next beat starts another.
func (w *world) dismiss(s *station) {
	if s.client != nil {
		s.client.end()
		s.client = nil
	}
}

func (w *world) must(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) station(t *rapid.T) *station { return rapid.SampledFrom(w.stations).Draw(t, "shard") }

func (w *world) newJob(t *rapid.T, s *station) admin.NewJob {
	job := admin.NewJob{Name: "job", Owner: "alice", Dependencies: []string{s.Board}, Keyvals: map[string]string{"build": "R75"}}
	entries := rapid.IntRange(1, 3).Draw(t, "entries")
	for range entries {
		job.MetaHosts = append(job.MetaHosts, s.Board)
	}
	if rapid.Bool().Draw(t, "together") {
		job.SynchCount = entries
	}
	return job
}

func (w *world) create(t *rapid.T) {
	s := w.station(t)
	job := w.newJob(t, s)
	if home := w.hostsAtHome(s); len(home) > 0 && rapid.IntRange(0, 3).Draw(t, "one-time") == 0 {
		host := rapid.SampledFrom(home).Draw(t, "host")
		job.MetaHosts, job.SynchCount, job.Hosts = nil, 0, []string{host}
		w.stays[host] = true
	}
	ids, err := w.lab.People.CreateJobs(t.Context(), job)
	w.must("create", err)
	w.jobs = append(w.jobs, ids...)
}

func (w *world) createSuite(t *rapid.T) {
	s := w.station(t)
	suite := admin.NewSuite{Parent: suiteOf(s)}
	for range rapid.IntRange(1, 2).Draw(t, "children") {
		suite.Children = append(suite.Children, w.newJob(t, s))
	}
	w.addSuite(suite)
}

func suiteOf(s *station) admin.NewJob {
	return admin.NewJob{Name: "suite", Owner: "alice", Keyvals: map[string]string{"suite": "bvt", "board": s.Board}}
}

func (w *world) addSuite(suite admin.NewSuite) {
	w.t.Helper()
	created, err := w.lab.People.CreateSuite(w.t.Context(), suite)
	w.must("create suite", err)
	w.jobs = append(w.jobs, created.ChildIDs...)
}

// work takes turns of a scheduler.
func work(ctx context.Context, s *station, turns int) error {
	for range turns {
		if _, err := s.Scheduler.Turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) turns(t *rapid.T) {
	w.must("turns", work(t.Context(), w.station(t), rapid.IntRange(1, 12).Draw(t, "turns")))
}

func (w *world) abort(t *rapid.T) {
	if len(w.jobs) == 0 {
		t.Skip("no job")
	}
	_, err := w.lab.People.AbortJobs(t.Context(), "alice", rapid.SampledFrom(w.jobs).Draw(t, "job"))
	w.must("abort", err)
}

func (w *world) move(t *rapid.T) {
	host := fmt.Sprintf("shard%d-host%d", rapid.IntRange(1, shards).Draw(t, "from"), rapid.IntRange(1, hostsPerShard).Draw(t, "host"))
	if w.stays[host] {
		t.Skip("a job that names it would be of two shards: the master may give it to either")
	}
	_, err := w.lab.People.MoveHosts(t.Context(), w.station(t).Board, host)
	w.must("move", err)
}

func (w *world) hostsAtHome(s *station) []string {
	return w.column(w.lab.Master, `
		SELECT h.hostname FROM afe_hosts AS h
		JOIN afe_hosts_labels AS hl ON hl.host_id = h.id JOIN afe_labels AS l ON l.id = hl.label_id
		WHERE l.name = $1 AND split_part(h.hostname, '-', 1) || '.example' = $2 ORDER BY h.id`, s.Board, s.Hostname)
}

// breakObject makes an object bad, or all well again.
func (w *world) breakObject(t *rapid.T) {
	if len(w.network.bad) > 0 && rapid.Bool().Draw(t, "mend") {
		clear(w.network.bad)
		return
	}
	key := fmt.Sprintf("host %d", rapid.IntRange(1, shards*hostsPerShard).Draw(t, "host"))
	if len(w.jobs) > 0 && rapid.Bool().Draw(t, "job") {
		// One that was there for long, or one that is created soon.
		key = fmt.Sprintf("job %d", w.jobs[len(w.jobs)-1]+int64(rapid.IntRange(-8, 3).Draw(t, "id")))
	}
	w.network.bad[key], w.bad[key] = true, true
}

// refuse makes the master refuse whatever names an entry: it is deleted there. Only one that the
// shard has, because a job that comes without an entry would never get it.
func (w *world) refuse(t *rapid.T) {
	if w.refused != "" {
		w.restoreEntry()
		return
	}
	if w.searched {
		t.Skip("once is enough")
	}
	here := w.column(w.station(t).DB, "SELECT id::text FROM afe_host_queue_entries WHERE NOT complete ORDER BY id")
	gone := w.column(w.lab.Master, `
		DELETE FROM afe_host_queue_entries AS e
		WHERE id = (
			SELECT min(o.id) FROM afe_host_queue_entries AS o
			WHERE o.id = ANY ($1::text[]::bigint[]) AND NOT EXISTS (SELECT FROM afe_aborted_host_queue_entries AS a WHERE a.queue_entry_id = o.id)
		)
		RETURNING to_jsonb(e)::text`, here)
	if len(gone) == 0 {
		t.Skip("no entry")
	}
	w.refused = gone[0]
	w.searched = true
}

func (w *world) restoreEntry() {
	_, err := w.lab.Master.Exec(w.t.Context(),
		"INSERT INTO afe_host_queue_entries SELECT * FROM jsonb_populate_record(NULL::afe_host_queue_entries, $1)", w.refused)
	w.must("restore entry", err)
	w.refused = ""
}

// restoreBackup lets the master forget what a job has completed, as a backup that is put back does.
// The job is sent to its shard again, which knows better.
func (w *world) restoreBackup(t *rapid.T) {
	done := w.column(w.lab.Master, "SELECT DISTINCT e.job_id::text "+wanted+" AND e.complete ORDER BY 1", w.jobs)
	if len(done) == 0 {
		t.Skip("no job")
	}
	_, err := w.lab.Master.Exec(t.Context(), `UPDATE afe_host_queue_entries
		SET complete = false, active = false, status = 'Queued', started_on = NULL, finished_on = NULL
		WHERE job_id = $1::text::bigint`, rapid.SampledFrom(done).Draw(t, "job"))
	w.must("restore backup", err)
	w.backups++
}

// lateRequests are stored now, over newer ones.
func (w *world) lateRequests(t *rapid.T) {
	if len(w.network.late) == 0 {
		t.Skip("none")
	}
	w.network.deliver()
}
