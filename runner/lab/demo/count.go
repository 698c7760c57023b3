package demo

import (
	"context"
	"fmt"
	"strings"

	"shardclient/gen/labdb"
	"shardclient/runner/afe"
	"shardclient/runner/lab/converge"
)

// progress counts the jobs of suites.
type progress struct {
	created, assigned int64 // on the master
	running, finished int64 // on the shards
	known             int64 // finished, and known to the master to be so
	openSuites        int64
}

// progress reads all databases, one after the other.
func (s *stage) progress(ctx context.Context) (progress, error) {
	m, err := labdb.New(s.masterDB).DemoMaster(ctx)
	if err != nil {
		return progress{}, fmt.Errorf("count the master's jobs: %w", err)
	}
	p := progress{created: m.Created, assigned: m.Assigned, known: m.Finished, openSuites: m.OpenSuites}
	for _, one := range s.shards {
		row, err := labdb.New(one.db).DemoShard(ctx)
		if err != nil {
			return progress{}, fmt.Errorf("count the jobs of %s: %w", one.hostname, err)
		}
		p.running += row.Running
		p.finished += row.Finished
	}
	return p, nil
}

// verdict holds what the databases of both sides say at the end.
type verdict struct {
	progress
	report        *converge.Report
	beats, failed int64
	plot          *plot
}

func (s *stage) judge(ctx context.Context, now progress, plot *plot) (*verdict, error) {
	v := &verdict{progress: now, plot: plot}
	var shards []converge.Shard
	for _, one := range s.shards {
		shards = append(shards, converge.Shard{Hostname: one.hostname, DB: one.db})
		row, err := labdb.New(one.db).DemoBeats(ctx)
		if err != nil {
			return nil, fmt.Errorf("count the beats of %s: %w", one.hostname, err)
		}
		v.beats += row.Beats
		v.failed += row.Failed
	}
	var err error
	v.report, err = converge.Check(ctx, s.masterDB, shards, afe.Protocol2019)
	return v, err
}

// agree reports whether the demo succeeded. Equal databases are not enough: everything that was
// created must also have come to its end on both sides.
func (v *verdict) agree() bool {
	return v != nil && v.report.Agree() && v.report.Lost == 0 &&
		v.known == v.created && v.finished == v.created && int64(v.report.Jobs) == v.created &&
		v.report.Complete == v.report.Entries && v.openSuites == 0
}

// shownDisagreements is how many disagreements are printed: enough to see what kind of fault it is.
const shownDisagreements = 20

func (v *verdict) String() string {
	var text strings.Builder
	for i, d := range v.report.Disagreements {
		if i == shownDisagreements {
			fmt.Fprintf(&text, "  ... and %d more\n", len(v.report.Disagreements)-i)
			break
		}
		fmt.Fprintf(&text, "  %s\n", d)
	}
	fmt.Fprintf(&text, "\n%d jobs in %d suites, %d of them aborted; beats: %d, failed: %d; %s\n",
		v.created, v.plot.suites, v.plot.aborted, v.beats, v.failed, v.plot.faults())
	word := "both sides agree"
	if !v.agree() {
		word = "FAILED (see above)"
		fmt.Fprintf(&text, "%d jobs finished on the shards, %d are known to the master, %d suites are open, "+
			"%d disagreements\n", v.finished, v.known, v.openSuites, len(v.report.Disagreements))
	}
	r := v.report
	fmt.Fprintf(&text, "demo: %d jobs, %d entries: %d agreed, %d lost, %d duplicated; "+
		"%d beats, %d failed, %d kills: %s\n",
		r.Jobs, r.Entries, r.Agreed, r.Lost, r.Duplicated, v.beats, v.failed, v.plot.kills, word)
	return text.String()
}
