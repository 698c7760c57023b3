package torture

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// Faults of programs and connections, in the order of the table.
var programFaults = []struct {
	kind string
	do   func(*rack, *victim)
}{
	{"client killed (SIGKILL)", (*rack).killClient},
	{"client stopped (SIGTERM)", (*rack).stopClient},
	{"PostgreSQL killed (SIGKILL)", (*rack).killServer},
	{"connections of a client ended", (*rack).endConnections},
	{"connection of a lock ended", (*rack).endLock},
	{"second client started", (*rack).startSecond},
	{roadMasterDown, (*rack).masterDown},
	{"row held by an idle transaction", (*rack).holdRow},
	{"table locked", (*rack).lockTable},
	{"two rows updated in one transaction", (*rack).updateTwo},
}

// downTime is longer than a beat tries.
const downTime = tortureRPCTimeout + 500*time.Millisecond

// someLength is a run in which each fault of programs has to happen, in seconds.
const someLength = 30

// exitHeld is the code of a client that found another one's lock.
const exitHeld = 3

// inject goes through the faults in random order, again and again, one at a time, so that work gets
// done between them. In a run of some length each of them happens, however slow the machine is.
func (x *rack) inject(until context.Context) {
	draw := rand.New(rand.NewPCG(*seed, 3))
	for round := 0; ; round++ {
		for _, i := range draw.Perm(len(programFaults)) {
			<-time.After(time.Duration(200+draw.IntN(400)) * time.Millisecond)
			if until.Err() != nil && (round > 0 || *seconds < someLength) {
				return
			}
			x.revive()
			fault := programFaults[i]
			fault.do(x, x.victims[draw.IntN(victims)])
			x.counts.add(fault.kind)
		}
	}
}

// revive starts clients that have ended by themselves, as systemd would.
func (x *rack) revive() {
	x.t.Helper()
	for _, v := range x.victims {
		select {
		case <-v.program.Done():
			x.restarts.Add(1)
			x.start(v)
		default:
		}
	}
}

func (x *rack) killClient(v *victim) {
	v.program.Kill()
	x.start(v)
}

func (x *rack) stopClient(v *victim) {
	v.program.Signal(syscall.SIGTERM)
	if code := v.program.End(); code != 0 {
		x.t.Errorf("%s: shard-client ended with %d after SIGTERM; it said:\n%s", v.Hostname, code, v.program.Log())
	}
	x.start(v)
}

func (x *rack) killServer(*victim) {
	if err := x.server.Kill(); err != nil {
		x.t.Fatal(err)
	}
	if err := x.server.Restart(wait.Context(x.t)); err != nil {
		x.t.Fatal(err)
	}
	for _, v := range x.victims {
		v.DB.Reset()
	}
}

func (x *rack) endConnections(v *victim) {
	x.exec(v, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'shard-client%'")
}

func (x *rack) endLock(v *victim) {
	x.exec(v, `SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

func (x *rack) exec(v *victim, sql string) {
	x.t.Helper()
	x.cut.Add(pgtest.Exec(x.t, v.DB, sql))
}

// startSecond starts another client beside the first. One of them must end: the second, unless the
// first has just lost its lock.
func (x *rack) startSecond(v *victim) {
	second := x.launch(v)
	wait.Until(x.t, v.Hostname+": for one of two clients to end", func() bool { return second.Ended() || v.program.Ended() })
	loser := second
	if !second.Ended() {
		loser, v.program = v.program, second
	}
	if code := loser.End(); code != exitHeld {
		x.t.Errorf("%s: of two clients one ended with %d, want %d; it said:\n%s", v.Hostname, code, exitHeld, loser.Log())
	}
}

func (x *rack) masterDown(*victim) {
	x.road.down.Store(true)
	<-time.After(downTime)
	x.road.down.Store(false)
}
