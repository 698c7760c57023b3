package process_test

import (
	"fmt"
	"testing"

	"shardclient/runner/faults"
)

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

func TestP3KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	r := newRich(t)
	steps := r.count(t)
	t.Logf("%d steps", len(steps))
	for _, step := range steps {
		fmt.Println(step.Number, step.Connection, step.What)
	}
}
