package demo

import (
	"context"
	"fmt"
	"strings"

	"shardclient/runner/afe"
	"shardclient/runner/lab/converge"
)

// verdict holds what the databases of both sides say at the end.
type verdict struct {
	look
	report *converge.Report
	plot   *plot
}

func (s *stage) judge(ctx context.Context, now look, plot *plot) (*verdict, error) {
	v := &verdict{look: now, plot: plot}
	var shards []converge.Shard
	for _, one := range s.shards {
		shards = append(shards, converge.Shard{Hostname: one.hostname, DB: one.db})
	}
	var err error
	v.report, err = converge.Check(ctx, s.masterDB, shards, afe.Protocol2019)
	return v, err
}

// agree reports whether the demo succeeded. Equal databases are not enough: everything that was
// created must also have come to its end on both sides, and every fault must be over.
func (v *verdict) agree() bool {
	return v != nil && v.report.Agree() && v.report.Lost == 0 &&
		v.known == v.created && v.finished() == v.created && int64(v.report.Jobs) == v.created &&
		v.report.Complete == v.report.Entries && v.openSuites == 0 && v.plot.unhealed() == 0
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
	var beats, failed int64
	for _, one := range v.shards {
		beats, failed = beats+one.beats, failed+one.failed
	}
	count := v.plot.count
	changes, faults := count(func(f *fault) bool { return f.change }), count(func(f *fault) bool { return !f.change })
	done := count(func(f *fault) bool { return f.change && !f.healed.IsZero() })
	healed := count(func(f *fault) bool { return !f.change && !f.healed.IsZero() })
	fmt.Fprintf(&text, "\n%s in %s, %d of them aborted. Beats: %d ok, %d failed.\n%s made, %d done. %s struck, %d healed.\n",
		plural(int(v.created), "job"), plural(v.plot.suites, "suite"), v.plot.aborted, beats-failed, failed,
		plural(changes, "change"), done, plural(faults, "fault"), healed)
	word := "both sides agree"
	if !v.agree() {
		word = "FAILED (see above)"
		fmt.Fprintf(&text, "%d jobs finished on the shards, %d are known to the master;\n%s open, %s.\n",
			v.finished(), v.known, plural(int(v.openSuites), "suite"), plural(len(v.report.Disagreements), "disagreement"))
	}
	r := v.report
	fmt.Fprintf(&text, "demo: %d jobs, %d entries: %d agreed, %d lost, %d duplicated: %s\n",
		r.Jobs, r.Entries, r.Agreed, r.Lost, r.Duplicated, word)
	return text.String()
}
