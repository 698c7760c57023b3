package faults

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/lock"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

// Freeze closes a lab that lives on the server of pgtest, so that [Lab.Clone] can copy it: a
// database cannot be copied while somebody is connected to it.
func (l *Lab) Freeze() {
	l.server.Close()
	l.Master.Close()
	for _, s := range l.Shards {
		s.DB.Close()
	}
}

// Clone returns a lab with copies of all the databases of a frozen one. That takes 50 ms, where
// building a new lab takes seconds. The copy ends with the test t.
func (l *Lab) Clone(t testing.TB) *Lab {
	t.Helper()
	c := &Lab{t: t, protocol: l.protocol, Master: pool(t, pgtest.Clone(t, l.Master.Config().ConnString()))}
	c.People = people(t, c.Master)
	c.serve()
	for _, s := range l.Shards {
		copied := &Shard{Hostname: s.Hostname, Board: s.Board, DatabaseURL: pgtest.Clone(t, s.DatabaseURL)}
		copied.DB = pool(t, copied.DatabaseURL)
		adopt(t, copied.DB)
		copied.Scheduler = begin(t, copied.DB, scheduler.Options{Seed: 1})
		c.Shards = append(c.Shards, copied)
	}
	return c
}

// adopt does what an operator does who means to serve a copy: `once --adopt`, but without a beat.
func adopt(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	l, err := lock.New(db, "who copied the lab")
	if err != nil {
		t.Fatal(err)
	}
	l.Adopt()
	if err := l.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Release(t.Context())
}

func pool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func people(t testing.TB, master *pgxpool.Pool) *admin.Admin {
	t.Helper()
	a, err := admin.New(master)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func begin(t testing.TB, db *pgxpool.Pool, o scheduler.Options) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(db, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
