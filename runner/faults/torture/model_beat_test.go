package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"shardclient/runner/beat"
	"shardclient/runner/lock"
	"shardclient/runner/master/admin"
)

// maxTurns is more than an entry takes that has a host.
const maxTurns = 40

// run is one beat of a station's client, with a plan for its request.
func (w *world) run(s *station, p *plan) beat.Report {
	w.t.Helper()
	if s.client == nil {
		c, err := w.newClient(s)
		w.must("new client", err)
		s.client = c
	}
	w.network.next = p
	b := s.client.Beat(w.t.Context(), time.Now())
	w.network.next = nil
	w.must("during the beat", w.network.err)
	return b
}

// mustPass fails unless a beat was what it must be when nothing hindered it.
func (w *world) mustPass(s *station, b beat.Report) {
	w.t.Helper()
	// A master that forgets the same job again and again is told of, and rightly so (P11).
	forgetful := b.Failure == beat.FailureNoProgress && w.backups > 1
	if !b.OK() && !w.searched && !forgetful {
		w.t.Fatalf("%s: beat: %s", s.Hostname, b.Error)
	}
	if b.OK() || forgetful {
		w.setAside(s)
	}
}

// setAside fails unless of the objects of the last answer those are set aside that were spoilt, and
// no others.
func (w *world) setAside(s *station) {
	w.t.Helper()
	aside := map[string]bool{}
	for _, key := range w.column(s.DB, "SELECT kind || ' ' || object_id FROM shard_client_quarantine WHERE direction = 'in' AND object_id IS NOT NULL") {
		aside[key] = true
	}
	for key, broken := range w.network.last() {
		if aside[key] != broken {
			w.t.Fatalf("%s: P6: %s came, broken: %t, set aside: %t", s.Hostname, key, broken, aside[key])
		}
	}
}

func (w *world) beat(t *rapid.T) {
	s := w.station(t)
	p := &plan{fate: rapid.SampledFrom(fates).Draw(t, "fate")}
	if b := w.run(s, p); p.fate == answered {
		w.mustPass(s, b)
	} else if b.OK() {
		t.Fatalf("%s: a beat without an answer (%s) is ok", s.Hostname, p.fate)
	}
}

// busy is a station at work: jobs are uploaded while their entries end one by one, some of them in
// the middle of a beat, and requests are lost or late.
func (w *world) busy(t *rapid.T) {
	s := w.station(t)
	if w.count(s.DB, "SELECT count(*) FROM afe_host_queue_entries WHERE NOT complete") < 2*hostsPerShard {
		w.stock(t, s)
	}
	for range rapid.IntRange(3, 6).Draw(t, "beats") {
		p := &plan{fate: rapid.SampledFrom([]string{answered, requestLate, answered, answerLost}).Draw(t, "fate")}
		w.must("turns", work(t.Context(), s, rapid.IntRange(0, 2).Draw(t, "turns before the beat")))
		p.before, p.stored = w.drawWork(t, s), w.drawWork(t, s)
		b := w.run(s, p)
		if p.fate == answered {
			w.mustPass(s, b)
		}
		w.checkShard(s)
	}
}

// stock gives a station a suite whose jobs have more entries than one, which may end apart.
func (w *world) stock(t *rapid.T, s *station) {
	suite := admin.NewSuite{Parent: suiteOf(s)}
	for range 2 {
		job := w.newJob(t, s)
		job.MetaHosts, job.SynchCount = slices.Repeat([]string{s.Board}, 3), 0
		suite.Children = append(suite.Children, job)
	}
	w.addSuite(suite)
	if rapid.IntRange(0, 2).Draw(t, "broken at first") == 1 {
		key := fmt.Sprintf("job %d", w.jobs[len(w.jobs)-1])
		w.network.bad[key], w.bad[key] = true, true
		w.mustPass(s, w.run(s, nil))
		delete(w.network.bad, key)
	}
	w.mustPass(s, w.run(s, nil))
	w.checkShard(s) // what is acknowledged is compared before more is sent
}

// drawWork is a few turns of a scheduler, or all until the next entry has ended.
func (w *world) drawWork(t *rapid.T, s *station) func() error {
	turns, untilEnd := rapid.IntRange(0, 2).Draw(t, "turns"), rapid.Bool().Draw(t, "until an end")
	ctx := w.t.Context()
	return func() error {
		for n := 0; n < turns || untilEnd && n < maxTurns; n++ {
			work, err := s.Scheduler.Turn(ctx)
			if err != nil {
				return err
			}
			if untilEnd && (work.Ended() > 0 || work.Open == 0) {
				break
			}
		}
		return nil
	}
}

// beatAndCrash ends a client between two statements.
func (w *world) beatAndCrash(t *rapid.T) {
	s := w.station(t)
	if s.client == nil {
		c, err := w.newClient(s)
		w.must("new client", err)
		s.client = c
	}
	c := s.client
	c.crash.left.Store(int64(rapid.IntRange(1, 90).Draw(t, "statements")))
	b := w.run(s, nil)
	if !c.crash.dead.Load() {
		c.crash.left.Store(0)
		w.mustPass(s, b)
		return
	}
	w.dismiss(s)
}

// loseConnections ends the connections of a client, at rest or with a request under way. The beat
// that meets that may fail, the one after it may not.
func (w *world) loseConnections(t *rapid.T) {
	s := w.station(t)
	if s.client == nil {
		t.Skip("no client")
	}
	ctx, program := w.t.Context(), s.client.program
	cut := func() error {
		_, err := s.DB.Exec(ctx, `SELECT pg_terminate_backend(pid, 300000) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1`, program)
		return err
	}
	w.run(s, rapid.SampledFrom([]*plan{{fate: answered, before: cut}, {fate: answered, stored: cut}}).Draw(t, "when"))
	w.mustPass(s, w.run(s, nil))
}

// secondClient is started while the first lives.
func (w *world) secondClient(t *rapid.T) {
	s := w.station(t)
	if s.client == nil || w.second {
		t.Skip("no first client, or tried already")
	}
	w.second = true
	w.must("own", s.client.Own(t.Context()))
	second, err := w.newClient(s)
	w.must("second client", err)
	defer second.end()
	var held *lock.HeldError
	if err := second.Own(t.Context()); !errors.As(err, &held) {
		t.Fatalf("%s: P7: a second client beside a living one: %v, want a *HeldError", s.Hostname, err)
	}
}

// takeOver lets the lock's connection of a client break in the middle of a beat, and another client
// take over and beat. The first must not write any more.
func (w *world) takeOver(t *rapid.T) {
	s := w.station(t)
	ctx := w.t.Context()
	if s.client == nil {
		t.Skip("no first client")
	}
	first := s.client
	next, err := w.newClient(s)
	w.must("next client", err)
	var last int64
	b := w.run(s, &plan{fate: answered, stored: func() error {
		if err := takeLock(ctx, s, next); err != nil {
			return err
		}
		return s.DB.QueryRow(ctx, "SELECT coalesce(max(n), 0) FROM audit").Scan(&last)
	}})
	first.end()
	s.client = next
	if b.OK() {
		t.Fatalf("%s: P7: a beat of a client that lost its lock is ok", s.Hostname)
	}
	w.none(s, "P7: a client that lost the lock writes nothing more",
		"SELECT n, of_table, operation, after FROM audit WHERE program = $1 AND n > $2", first.program, last)
}

func takeLock(ctx context.Context, s *station, next *client) error {
	if _, err := s.DB.Exec(ctx, `SELECT pg_terminate_backend(l.pid, 300000) FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`); err != nil {
		return err
	}
	if b := next.Beat(ctx, time.Now()); !b.OK() {
		return fmt.Errorf("beat of the client that takes over: %s", b.Error)
	}
	return nil
}
