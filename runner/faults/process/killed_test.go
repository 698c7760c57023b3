package process_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

// everyStep takes minutes: a beat with something of everything has 180 round trips, and each has
// two sides.
var everyStep = flag.Bool("every-step", false, "strike at both sides of every step of a beat, not at some of them")

// count lets a client beat undisturbed and returns its steps until the end of the beat.
func (r *rich) count(t *testing.T, command string) []faults.Step {
	t.Helper()
	l := r.Clone(t)
	before := localTruth(t, l)
	gate := l.Gate(l.Shards[0])
	client := l.Start(l.Shards[0], command, "--database-url="+gate.DatabaseURL())
	if command == "run" {
		client.Says("msg=heartbeat ")
		client.Stop()
	} else if code := client.End(); code != 0 {
		t.Fatalf("the undisturbed beat ended with %d:\n%s", code, client.Log())
	}
	holds(t, l, before)
	if n := pgtest.Query[int](t, l.Shards[0].DB, "SELECT count(*) FROM shard_client_quarantine WHERE kind = 'job'"); n != 1 {
		t.Errorf("%d jobs are set aside, want the one that PostgreSQL refuses", n)
	}
	steps := gate.Steps()
	if command == "run" { // the next beat has begun, maybe
		recorded := slices.IndexFunc(steps, func(s faults.Step) bool { return s.Has("HeartbeatRecord") })
		steps = steps[:recorded+1]
	}
	r.recovers(t, l)
	return steps
}

// point is one side of a step.
type point struct {
	faults.Step
	side faults.Side
}

// moment says how far a client is that beats once.
type moment int

const (
	beforeBeat moment = iota // it looks at the database
	aboutTo                  // it may want the lock already: of its two connections, one may be new still
	inBeat                   // it wants the lock, or has it
	afterBeat                // it has said how the beat went, and gives the lock back
)

// momentOf says how far a client is with the last of these steps.
func momentOf(steps []faults.Step) (when moment) {
	for i, step := range steps {
		switch {
		case step.Has("OwnerUnlock"):
			when = afterBeat
		case step.Has("OwnerTryLock"):
			when = inBeat
		case i > 0 && steps[i-1].Has("SessionStrangers"):
			when = max(when, aboutTo)
		}
	}
	return when
}

// points are where to strike: at each share-th point whose step is one after which somebody else
// sees something new, or one of every twelfth; at both sides of the heartbeat in any case.
func points(steps []faults.Step, share int) (chosen []point) {
	decisive := 0
	for _, step := range steps {
		for _, side := range []faults.Side{faults.Before, faults.After} {
			switch {
			case step.Has("TransactionCommit"), step.Has("OwnerTake"), step.Number%12 == 0:
				if decisive++; decisive%share != 0 && !*everyStep {
					continue
				}
			case step.What != faults.StepHeartbeat && !*everyStep:
				continue
			}
			chosen = append(chosen, point{step, side})
		}
	}
	return chosen
}

// atEveryStep plays a beat for each point, on a copy of the same lab. play strikes there, and
// returns when the client has ended.
func (r *rich) atEveryStep(t *testing.T, command string, share int, play func(t *testing.T, l *faults.Lab, gate *faults.Gate, at point)) {
	t.Helper()
	for _, at := range points(r.count(t, command), share) {
		what, _, _ := strings.Cut(at.What, " (")
		what = what[strings.LastIndex(what, " ")+1:] // the last of several
		t.Run(fmt.Sprintf("%s %d %s", at.side, at.Number, what), func(t *testing.T) {
			t.Parallel()
			l := r.Clone(t)
			before := localTruth(t, l)
			play(t, l, l.Gate(l.Shards[0]), at)
			holds(t, l, before)
			r.recovers(t, l)
		})
	}
}

// start starts a client through the gate, and strikes with what the test does to it.
func start(l *faults.Lab, gate *faults.Gate, at point, strike func(*faults.Program) faults.Verdict, command string, flags ...string) *faults.Program {
	client := make(chan *faults.Program, 1)
	gate.Strike(faults.At(at.Number, at.side, func() faults.Verdict { return strike(<-client) }))
	p := l.Start(l.Shards[0], command, append([]string{"--database-url=" + gate.DatabaseURL()}, flags...)...)
	client <- p
	return p
}

// A client that is killed leaves a shard that the next beat brings to the same end, wherever it
// was.
func TestP3KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, "once", 3, func(t *testing.T, l *faults.Lab, gate *faults.Gate, at point) {
		client := start(l, gate, at, func(p *faults.Program) faults.Verdict {
			p.Kill()
			return faults.Cut
		}, "once")
		// A client opens its two connections at the same time. Which of them is there first decides
		// what is prepared on both: a beat may have fewer steps than the one that was counted.
		if code := client.End(); code != -1 && len(gate.Steps()) >= at.Number {
			t.Errorf("the client ended with %d, want the kill:\n%s", code, client.Log())
		}
	})
}

// A client that is told to stop finishes what began: the beat is whole. While it looks at the
// database nothing has begun, and `once` says that it did not beat.
func TestTerminatedAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, "once", 8, func(t *testing.T, l *faults.Lab, gate *faults.Gate, at point) {
		var began atomic.Bool
		unbeaten := make(chan bool, 1) // asked when it is met: see TestP3KilledAtEveryStep
		client := start(l, gate, at, func(p *faults.Program) faults.Verdict {
			defer close(unbeaten) // also when the client does not say anything
			began.Store(true)
			when := momentOf(gate.Steps())
			p.Signal(syscall.SIGTERM)
			p.Says("stopping")
			inHand := strings.Contains(p.Log(), "stopping after the beat in hand")
			if inHand && (when == beforeBeat || when == afterBeat) || !inHand && when == inBeat {
				t.Errorf("a beat is in hand: %t, at moment %d", inHand, when)
			}
			unbeaten <- !inHand && when != afterBeat
			return faults.GoOn
		}, "once")
		client.End()
		want, end := 0, "heartbeat ok"
		// It may end before the strike has seen what it says, or without having met the step.
		if began.Load() && <-unbeaten {
			want, end = 1, "heartbeat failed (stopped): told to stop before the beat began"
		}
		if code := client.End(); code != want || !strings.Contains(client.Log(), end) {
			t.Errorf("the client ended with %d after SIGTERM, want %d and %q:\n%s", code, want, end, client.Log())
		}
	})
}
