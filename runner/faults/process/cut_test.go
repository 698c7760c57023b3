package process_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// unstruck is how much a client has said before the fault struck.
const unstruck = -1

// goesOn waits for a beat that succeeds after the client had said so much, and ends it in order.
func goesOn(t *testing.T, client *faults.Program, said *atomic.Int64) {
	t.Helper()
	wait.Until(t, "a heartbeat after the fault", func() bool {
		at := said.Load()
		return at > unstruck && strings.Contains(client.Log()[at:], "msg=heartbeat ")
	})
	client.Stop()
}

// A connection to PostgreSQL or to the master that breaks, whichever and whenever, costs a beat at
// most.
func TestConnectionCutAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, "run", 8, func(t *testing.T, l *faults.Lab, gate *faults.Gate, at point) {
		var said atomic.Int64
		said.Store(unstruck)
		client := start(l, gate, at, func(p *faults.Program) faults.Verdict {
			said.Store(int64(len(p.Log())))
			return faults.Cut
		}, "run")
		goesOn(t, client, &said)
	})
}

// The same when the connection that holds the lock is the one that breaks, while another one is in
// use.
func TestLockConnectionTerminatedAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, "run", 8, func(t *testing.T, l *faults.Lab, gate *faults.Gate, at point) {
		var said atomic.Int64
		said.Store(unstruck)
		client := start(l, gate, at, func(p *faults.Program) faults.Verdict {
			said.Store(int64(len(p.Log())))
			pgtest.Exec(t, l.Shards[0].DB, "SELECT pg_terminate_backend(backend_pid) FROM shard_client_owner")
			return faults.GoOn
		}, "run")
		goesOn(t, client, &said)
	})
}
