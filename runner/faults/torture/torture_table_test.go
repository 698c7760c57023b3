package torture

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"shardclient/runner/pgtest"
)

// aside is what is set aside and should not be: an object that is not here although nothing is
// wrong with it any more, and whatever the master refused. One that is here has come whole, and was
// spoilt when it came once more.
func (x *rack) aside() (all []string) {
	for _, v := range x.victims {
		var ids []string
		err := v.DB.QueryRow(x.t.Context(), `
			SELECT coalesce(array_agg(concat_ws(' ', q.direction, q.kind, q.object_id, q.code)), '{}')
			FROM shard_client_quarantine AS q
			WHERE q.direction = 'out'
				OR q.object_id IS NULL
				OR q.kind = 'host' AND NOT EXISTS (SELECT FROM afe_hosts AS h WHERE h.id = q.object_id)
				OR q.kind = 'job' AND NOT EXISTS (SELECT FROM afe_jobs AS j WHERE j.id = q.object_id)`).Scan(&ids)
		if err != nil {
			x.t.Error(err)
		}
		all = append(all, ids...)
	}
	return all
}

// deadlocks counts those of all shards' databases, since their server was last killed.
func (x *rack) deadlocks() (n int) {
	for _, v := range x.victims {
		n += pgtest.Query[int](x.t, v.DB, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
	}
	return n
}

// beats counts the beats of all clients by how they went.
func (x *rack) beats() (ok int, failed map[string]int) {
	failed = map[string]int{}
	for _, v := range x.victims {
		rows, err := v.DB.Query(x.t.Context(), "SELECT outcome, failure, count(*) FROM shard_client_heartbeats GROUP BY 1, 2")
		if err != nil {
			x.t.Fatal(err)
		}
		for rows.Next() {
			var outcome, failure string
			var count int
			if err := rows.Scan(&outcome, &failure, &count); err != nil {
				x.t.Error(err)
			}
			if outcome == "ok" {
				ok += count
			} else {
				failed[failure] += count
			}
		}
		if err := rows.Err(); err != nil {
			x.t.Fatal(err)
		}
	}
	return ok, failed
}

// tell prints what was done and what came of it, and is the verdict.
func (x *rack) tell() {
	x.t.Helper()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	for _, f := range programFaults {
		row(f.kind, x.counts.of[f.kind])
	}
	for _, kind := range roadFaults {
		row(kind, x.counts.of[kind])
	}
	row("clients that ended by themselves and were started again", x.restarts.Load())
	row("scheduler turns interrupted", x.interrupted.Load())
	row("connections ended", x.cut.Load())
	row("aborts, moves of hosts", fmt.Sprintf("%d, %d", x.aborts.Load(), x.moves.Load()))
	report := x.lab.Compare()
	created := pgtest.Query[int](x.t, x.lab.Master, "SELECT count(*) FROM afe_host_queue_entries WHERE meta_host IS NOT NULL")
	completed := pgtest.Query[int](x.t, x.lab.Master, "SELECT count(*) FROM afe_host_queue_entries WHERE meta_host IS NOT NULL AND complete")
	row("jobs created", x.jobs.Load())
	row("entries created, complete on the master", fmt.Sprintf("%d, %d", created, completed))
	row("entries complete and agreed in all fields", fmt.Sprintf("%d (%.1f a second)", report.Agreed, float64(report.Agreed)/time.Since(x.began).Seconds()))
	ok, failed := x.beats()
	row("beats ok", ok)
	for _, class := range sorted(failed) {
		row("beats failed, "+class, failed[class])
	}
	row("settled within", x.settled.Round(time.Millisecond))
	row("lost", report.Lost)
	row("duplicated", report.Duplicated)
	deadlocks := x.deadlocks()
	row("deadlocks", deadlocks)
	row("set aside in vain", len(x.aside()))
	row("seed", *seed)
	_ = table.Flush() // into a strings.Builder
	x.t.Logf("\n%s", &text)
	x.verdict(report.Agree() && report.Lost == 0 && report.Duplicated == 0, created, completed, report.Complete)
	if deadlocks != 0 {
		x.t.Errorf("%d deadlocks; one of them may have ended a scheduler's transaction", deadlocks)
	}
	for _, d := range report.Disagreements {
		x.t.Error(d)
	}
}

// verdict also wants every fault to have happened that had the time to, and work that was done
// meanwhile.
func (x *rack) verdict(agree bool, created, completed, here int) {
	x.t.Helper()
	if !agree || completed != created || here != created || created == 0 {
		x.t.Errorf("want all %d entries complete on both sides, none lost, none run twice; %d are on the master, %d here", created, completed, here)
	}
	for _, f := range programFaults {
		if x.counts.of[f.kind] == 0 && *seconds >= someLength {
			x.t.Errorf("%s: never happened", f.kind)
		}
	}
}

func sorted(m map[string]int) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
