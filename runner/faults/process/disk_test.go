//go:build diskfull

package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// fill writes to a file until the disk has no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t)(f, err)
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("fill the disk: %v", err)
	}
}

// The disk of PostgreSQL is full while a beat writes: it says so, stores no half, and goes on when
// there is room again. `make disk-full` makes the small disk that DISK names.
func TestDiskFull(t *testing.T) {
	pgtest.Database(t) // the other server stays off the small disk
	t.Setenv("TMPDIR", os.Getenv("DISK"))
	server := faults.StartServer(t, postgres.Options{Durable: true, Settings: map[string]string{"fsync": "off"}})
	t.Setenv("TMPDIR", "/tmp")
	for name, what := range map[string]string{"acknowledge": "AcknowledgeJobs", "apply": "JobsFind"} {
		t.Run(name, func(t *testing.T) {
			l := faults.NewLab(t, faults.Options{Server: server})
			s := l.Shards[0]
			l.CreateJobs(s, 500)
			setUp := newClient(t, l)
			settle(t, setUp)
			setUp.Close(t.Context())
			finish(t, s)
			jobs := make([]admin.NewJob, 500)
			for i := range jobs {
				jobs[i] = admin.NewJob{Name: "long", Owner: strings.Repeat("a", 500), MetaHosts: []string{s.Board}, Dependencies: []string{s.Board}}
			}
			must(t)(l.People.CreateJobs(t.Context(), jobs...))
			for range 3 { // room for the log, without which the whole server would stop
				pgtest.Exec(t, s.DB, "SELECT pg_switch_wal()")
				pgtest.Exec(t, s.DB, "CHECKPOINT")
			}
			truth, gate, filler := localTruth(t, l), l.Gate(s), filepath.Join(os.Getenv("DISK"), "filler")
			gate.Strike(faults.Once(what, faults.Before, func() faults.Verdict {
				fill(t, filler)
				return faults.GoOn
			}))
			client := l.Start(s, "run", "--database-url="+gate.DatabaseURL())
			client.Says("SQLSTATE 53100")
			client.Says("failure=database")
			holds(t, l, truth)
			if n := pgtest.Query[int](t, s.DB, "SELECT count(*) FROM afe_jobs WHERE name = 'long'"); n != 0 {
				t.Errorf("%d jobs of the answer are here", n)
			}
			var said atomic.Int64
			must(t)(nil, os.Remove(filler))
			said.Store(int64(len(client.Log())))
			goesOn(t, client, &said)
			again := newClient(t, l)
			settle(t, again)
			finish(t, s)
			l.ForgetUnsure()
			settle(t, again)
			l.Agree(1000)
		})
	}
}
