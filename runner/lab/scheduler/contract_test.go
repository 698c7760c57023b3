package scheduler_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
)

// seedFor finds a seed with which a job ends in a variant.
func seedFor(t testing.TB, variant string, jobID int64) uint64 {
	t.Helper()
	for seed := range uint64(1000) {
		if scheduler.VariantOf(seed, jobID) == variant {
			return seed
		}
	}
	t.Fatalf("no seed ends job %d as %q", jobID, variant)
	return 0
}

// times and the statuses that are drawn are not what these tests are about.
var (
	someTime    = regexp.MustCompile(`_on=\S+`)
	preparation = regexp.MustCompile(`status=(Provisioning|Resetting|Verifying)`)
)

func normal(lines []string) []string {
	for i, line := range lines {
		lines[i] = preparation.ReplaceAllString(someTime.ReplaceAllString(line, "_on=TIME"), "status=PREPARING")
	}
	return lines
}

// ends keeps the lines that end entries and ask for uploads.
func ends(lines []string) []string {
	phases := []string{"Starting", "PREPARING", "Pending", "Running", "Gathering", "Parsing"}
	previous := ""
	return slices.DeleteFunc(normal(lines), func(line string) bool {
		// Parsing is the one phase that is not active any longer.
		walks := strings.HasSuffix(line, "active=true") || strings.HasSuffix(line, "active=false") && strings.HasSuffix(previous, "status=Parsing")
		for _, field := range []string{"host ", "host_id=", "started_on=", "execution_subdir="} {
			walks = walks || strings.Contains(line, field)
		}
		walks = walks || slices.ContainsFunc(phases, func(phase string) bool { return strings.HasSuffix(line, "status="+phase) })
		previous = line
		return walks
	})
}

// The whole walk of an entry, in every variant.
func TestWalk(t *testing.T) {
	t.Parallel()
	begin := []string{
		"host 1: leased=true synch_id=701",
		"entry 701: host_id=1",
		"host 1: status=Pending",
		"entry 701: execution_subdir=7-alice/h1",
		"entry 701: status=Starting",
		"entry 701: active=true",
		"host 1: status=PREPARING",
		"entry 701: status=PREPARING",
		"host 1: status=Pending",
		"entry 701: status=Pending",
		"entry 701: started_on=TIME",
		"host 1: status=Running",
		"entry 701: status=Running",
		"entry 701: status=Gathering",
		"entry 701: status=Parsing",
		"entry 701: active=false",
	}
	byScheduler := []string{
		"entry 701: status=Completed",
		"entry 701: finished_on=TIME",
		"job 7: shard_id=NULL",
		"entry 701: complete=true",
	}
	byLucifer := []string{
		"entry 701: complete=true finished_on=TIME status=Completed",
		"job 7: shard_id=NULL",
	}
	for _, variant := range scheduler.Variants() {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, oneHost+jobSQL(7, 1, 0))
			d.run(d.scheduler(scheduler.Options{Seed: seedFor(t, variant, 7)}), nil)
			got := normal(d.written())
			if i := slices.Index(got, "host 1: status=Cleaning"); i >= 0 { // drawn too
				got = slices.Delete(got, i, i+1)
			}
			want := slices.Concat(begin, byScheduler)
			if strings.HasPrefix(variant, "lucifer") {
				want = slices.Concat(begin, byLucifer)
			}
			want = append(want, "host 1: status=Ready", "host 1: leased=false synch_id=NULL")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("statements (-want +written):\n%s", diff)
			}
		})
	}
}

// acknowledges stands for a client that uploads and acknowledges whatever asks for it.
const acknowledges = `
	UPDATE afe_jobs AS j SET shard_id = 1
	WHERE shard_id IS NULL AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete)`

// How a job with two entries on one host ends, while a client acknowledges after each turn.
func TestEndsOfTwoEntries(t *testing.T) {
	t.Parallel()
	one := []string{"entry 701: status=Completed", "entry 701: finished_on=TIME"}
	two := []string{"entry 702: status=Completed", "entry 702: finished_on=TIME"}
	asks, oneDone, twoDone := "job 7: shard_id=NULL", "entry 701: complete=true", "entry 702: complete=true"
	lucifer := []string{
		"entry 701: complete=true finished_on=TIME status=Completed",
		"entry 702: complete=true finished_on=TIME status=Completed",
		asks,
	}
	for variant, want := range map[string][]string{
		"fresh": slices.Concat(one, []string{asks, oneDone}, two, []string{asks, twoDone}),
		// The cached object says NULL since the first end, although the row holds a shard again.
		"stale": slices.Concat(one, []string{asks, oneDone}, two, []string{twoDone}),
		"siblings": {
			"entry 701: status=Completed",
			"entry 702: complete=true status=Stopped",
			"entry 701: finished_on=TIME",
			asks, oneDone,
		},
		"lucifer":              lucifer,
		"lucifer, cached late": lucifer,
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, oneHost+jobSQL(7, 2, 0))
			d.run(d.scheduler(scheduler.Options{Seed: seedFor(t, variant, 7)}), func() { pgtest.Exec(d.t, d.pool, acknowledges) })
			if diff := cmp.Diff(want, ends(d.written())); diff != "" {
				t.Errorf("statements (-want +written):\n%s", diff)
			}
		})
	}
}

// Lucifer leaves the NULL out when it read the job while that was NULL, as after an acknowledgement
// that met a change.
func TestLuciferCachedLateLeavesTheNullOut(t *testing.T) {
	t.Parallel()
	for variant, want := range map[string][]string{
		"lucifer, cached late": {"entry 701: complete=true finished_on=TIME status=Completed"},
		// The other one cached it before. Its statement changes nothing here.
		"lucifer": {"entry 701: complete=true finished_on=TIME status=Completed", "job 7: "},
	} {
		d := newDesk(t, oneHost+jobSQL(7, 1, 0))
		s := d.scheduler(scheduler.Options{Seed: seedFor(t, variant, 7)})
		d.turn(s)
		pgtest.Exec(d.t, d.pool, "UPDATE afe_jobs SET shard_id = NULL")
		d.run(s, nil)
		if diff := cmp.Diff(want, ends(d.written())); diff != "" {
			t.Errorf("%s (-want +written):\n%s", variant, diff)
		}
	}
}

// What it read then counts, whatever the client has written since.
func TestLuciferCachedLateIsStale(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for seed, met := uint64(0), 0; met < 8; seed++ {
		if scheduler.VariantOf(seed, 7) != "lucifer, cached late" {
			continue
		}
		met++
		d.refill(oneHost + jobSQL(7, 1, 0))
		s := d.scheduler(scheduler.Options{Seed: seed})
		for d.turn(s).Open > 0 {
		}
		pgtest.Exec(d.t, d.pool, "UPDATE afe_jobs SET shard_id = NULL")
		d.turn(s) // lucifer reads the job
		pgtest.Exec(d.t, d.pool, acknowledges)
		d.run(s, nil)
		d.must("the NULL is left out", "SELECT * FROM audit WHERE of_table = 'afe_jobs' AND program = 'scheduler'")
	}
}

// The stop of an idle sibling stands between status and finished_on of the entry that ends, also
// when a synchronous group ends: each of its entries ends with its own statements.
func TestEndOfAGroup(t *testing.T) {
	t.Parallel()
	d := newDesk(t, oneHost+moreHosts(3)+jobSQL(7, 3, 2))
	d.run(d.scheduler(scheduler.Options{Seed: seedFor(t, "stale", 7)}), nil)
	got := ends(d.written())
	for _, id := range []string{"701", "702"} {
		d.inOrder(got, "entry "+id+": status=Completed", "entry "+id+": finished_on=TIME", "entry "+id+": complete=true")
	}
	d.inOrder(got, "status=Completed", "entry 703: complete=true status=Stopped", "job 7: shard_id=NULL", "complete=true")
	if asked := strings.Count(strings.Join(got, "\n"), "shard_id"); asked != 1 || len(got) != 8 {
		t.Errorf("%d NULLs in:\n%s", asked, strings.Join(got, "\n"))
	}
	d.must("a third entry waits for a host only as long as a group could need it",
		"SELECT * FROM afe_host_queue_entries WHERE id = 703 AND (host_id IS NOT NULL OR status <> 'Stopped')")
}

// inOrder looks for lines that hold the texts, one after the other.
func (d *desk) inOrder(lines []string, texts ...string) {
	d.t.Helper()
	next := 0
	for _, line := range lines {
		if next < len(texts) && strings.Contains(line, texts[next]) {
			next++
		}
	}
	if next < len(texts) {
		d.t.Errorf("no %q, in this order, in:\n%s", texts, strings.Join(lines, "\n"))
	}
}

// An abort ends an entry in any phase, by the statements of its job's variant.
func TestAbortInAnyPhase(t *testing.T) {
	t.Parallel()
	statuses := []string{"Queued", "Starting", "Provisioning", "Resetting", "Verifying", "Pending", "Running", "Gathering", "Parsing"}
	for _, variant := range scheduler.Variants() {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			seed, met, d := seedFor(t, variant, 7), 0, newDesk(t, "SELECT")
			for _, status := range statuses {
				// Only an entry that waits for another is seen Pending.
				d.refill(oneHost + moreHosts(2) + jobSQL(7, 2, 2))
				if status == "Queued" {
					pgtest.Exec(d.t, d.pool, "UPDATE afe_hosts SET locked = true")
				}
				s := d.scheduler(scheduler.Options{Seed: seed})
				if !d.runUntil(s, status) {
					continue // other preparations were drawn
				}
				met++
				pgtest.Exec(d.t, d.pool, "UPDATE afe_host_queue_entries SET aborted = true")
				d.run(s, nil)
				d.aborted(variant, status)
			}
			if met < len(statuses)-2 {
				t.Errorf("only %d of %d phases were met", met, len(statuses))
			}
		})
	}
}

func (d *desk) aborted(variant, status string) {
	d.t.Helper()
	d.must("an aborted entry ends as Aborted, with finished_on if it had started", `
		SELECT * FROM afe_host_queue_entries
		WHERE (status, active, complete) IS DISTINCT FROM ('Aborted', false, true) OR (started_on IS NULL) <> (finished_on IS NULL)`)
	d.must("the client is asked to upload", "SELECT * FROM afe_jobs WHERE shard_id IS NOT NULL")
	d.must("the host is free again", "SELECT * FROM afe_hosts WHERE leased OR synch_id IS NOT NULL OR status <> 'Ready'")
	d.must("lucifer ends what it ran, and the scheduler what has not begun",
		"SELECT id, changed FROM audit WHERE changed ? 'complete' AND (changed ? 'status') <> $1",
		strings.HasPrefix(variant, "lucifer") && status != "Queued")
}

// Lucifer runs nothing that has not begun: an entry that was just given its host is ended by the
// scheduler, and uploaded.
func TestAbortOfALeasedEntry(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for _, variant := range scheduler.Variants() {
		d.refill(oneHost + jobSQL(7, 1, 0) + `
			UPDATE afe_hosts SET leased = true, synch_id = 701;
			UPDATE afe_host_queue_entries SET aborted = true`)
		d.run(d.scheduler(scheduler.Options{Seed: seedFor(t, variant, 7)}), nil)
		want := []string{"entry 701: status=Aborted", "job 7: shard_id=NULL", "entry 701: complete=true", "host 1: leased=false synch_id=NULL"}
		if diff := cmp.Diff(want, d.written()); diff != "" {
			t.Errorf("%s: statements (-want +written):\n%s", variant, diff)
		}
	}
}

// An entry that waits for its own host ends without it.
func TestAbortBeforeTheHostIsFree(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for seed := range uint64(10) {
		d.refill(oneHost + jobSQL(7, 2, 0) + `
			UPDATE afe_hosts SET locked = true;
			UPDATE afe_host_queue_entries SET aborted = true, host_id = 1`)
		d.run(d.scheduler(scheduler.Options{Seed: seed}), nil)
		d.must("the host is left alone", "SELECT * FROM audit WHERE of_table = 'afe_hosts'")
	}
}

// The end of an aborted entry stops nobody; those of others do.
func TestAbortStopsNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SELECT")
	for _, synchCount := range []int{0, 2} {
		d.refill(oneHost + jobSQL(7, 2, synchCount) + `
			UPDATE afe_hosts SET locked = true;
			UPDATE afe_host_queue_entries SET aborted = true WHERE id = 701`)
		s := d.scheduler(scheduler.Options{Seed: seedFor(t, "siblings", 7)})
		for range 20 {
			d.turn(s)
		}
		d.must("the first entry has ended", "SELECT * FROM afe_host_queue_entries WHERE id = 701 AND NOT complete")
		d.must("the other one waits, unless it has nobody to run with",
			"SELECT * FROM afe_host_queue_entries WHERE id = 702 AND complete <> ($1 = 2)", synchCount)
		d.must("and then ends by itself", "SELECT * FROM audit WHERE id = 702 AND changed ? 'complete' AND changed ? 'status'")
	}
}

func (d *desk) runUntil(s *scheduler.Scheduler, status string) bool {
	d.t.Helper()
	for range 50 {
		d.turn(s)
		if pgtest.Query[bool](d.t, d.pool, "SELECT EXISTS (SELECT FROM afe_host_queue_entries WHERE status = $1 AND NOT complete)", status) {
			return true
		}
	}
	return false
}
