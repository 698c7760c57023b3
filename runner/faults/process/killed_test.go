package process_test

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"shardclient/runner/faults"
)

// everyStep takes minutes: a beat with something of everything has 181 round trips, and each has two sides.
var everyStep = flag.Bool("every-step", false, "strike at every step of a beat, not only where something is decided and at every eighth")

// count runs `once` undisturbed and returns its steps.
func (r *rich) count(t *testing.T) []faults.Step {
	t.Helper()
	l := r.Clone(t)
	before := localTruth(t, l)
	gate := l.Gate(l.Shards[0])
	client := l.Start(l.Shards[0], "once", "--database-url="+gate.DatabaseURL())
	if code := client.End(); code != 0 {
		t.Fatalf("the undisturbed beat ended with %d:\n%s", code, client.Log())
	}
	holds(t, l, before)
	if n := faults.Count(t, l.Shards[0].DB, "SELECT count(*) FROM shard_client_quarantine WHERE kind = 'job'"); n != 1 {
		t.Errorf("%d jobs are set aside, want the one that PostgreSQL refuses", n)
	}
	steps := gate.Steps()
	r.recovers(t, l)
	return steps
}

// decides tells a step whose two sides differ in what somebody else sees.
func decides(step faults.Step) bool {
	switch step.What {
	case "commit", "OwnerTake", "OwnerUnlock", faults.StepHeartbeat:
		return true
	}
	return *everyStep || step.Number%8 == 0
}

// atEveryStep plays a beat for each side of each step, on a copy of the same lab. play strikes there, and returns when
// the client has ended.
func (r *rich) atEveryStep(t *testing.T, play func(t *testing.T, l *faults.Lab, gate *faults.Gate, n int, side faults.Side)) {
	t.Helper()
	steps := r.count(t)
	if t.Failed() {
		return
	}
	for _, step := range steps {
		if !decides(step) {
			continue
		}
		for _, side := range []faults.Side{faults.Before, faults.After} {
			what, _, _ := strings.Cut(step.What, " (")
			t.Run(fmt.Sprintf("%s %d %s", side, step.Number, what), func(t *testing.T) {
				t.Parallel()
				l := r.Clone(t)
				before := localTruth(t, l)
				play(t, l, l.Gate(l.Shards[0]), step.Number, side)
				holds(t, l, before)
				r.recovers(t, l)
			})
		}
	}
}

// start starts a client through the gate, and strikes with what the test does to it.
func start(l *faults.Lab, gate *faults.Gate, n int, side faults.Side, strike func(*faults.Program) faults.Verdict, command string, flags ...string) *faults.Program {
	client := make(chan *faults.Program, 1)
	gate.Strike(faults.At(n, side, func() faults.Verdict { return strike(<-client) }))
	p := l.Start(l.Shards[0], command, append([]string{"--database-url=" + gate.DatabaseURL()}, flags...)...)
	client <- p
	return p
}

// A client that is killed leaves a shard that the next beat brings to the same end, wherever it was.
func TestP3KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, func(t *testing.T, l *faults.Lab, gate *faults.Gate, n int, side faults.Side) {
		client := start(l, gate, n, side, func(p *faults.Program) faults.Verdict {
			p.Kill()
			return faults.Cut
		}, "once")
		if code := client.End(); code != -1 {
			t.Errorf("the client ended with %d, want the kill:\n%s", code, client.Log())
		}
	})
}

// A client that is told to stop finishes what began: the beat is whole.
func TestTerminatedAtEveryStep(t *testing.T) {
	t.Parallel()
	newRich(t).atEveryStep(t, func(t *testing.T, l *faults.Lab, gate *faults.Gate, n int, side faults.Side) {
		client := start(l, gate, n, side, func(p *faults.Program) faults.Verdict {
			p.Signal(syscall.SIGTERM)
			p.Says("stopping after the beat in hand")
			return faults.GoOn
		}, "once")
		if code := client.End(); code != 0 {
			t.Errorf("the client ended with %d after SIGTERM:\n%s", code, client.Log())
		}
	})
}
