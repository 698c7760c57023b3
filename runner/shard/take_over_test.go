package shard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/pgtest"
)

// takeOver is one way in which the original client and ours serve a job in turn while it ends. A
// beat goes with each statement of the scheduler.
type takeOver struct {
	entries   int
	variant   string
	oursFirst bool
	cuts      [3]int // the statements from which on the other client serves
}

func (o takeOver) String() string {
	first := "the original"
	if o.oursFirst {
		first = "ours"
	}
	return fmt.Sprintf("%d entries, %s, %s first, change at %v", o.entries, o.variant, first, o.cuts)
}

// serves reports whether ours serves at a statement.
func (o takeOver) serves(at int) bool {
	ours := o.oursFirst
	for _, cut := range o.cuts {
		if at >= cut {
			ours = !ours
		}
	}
	return ours
}

// takeOvers are all in which each client beats at least once before the other takes over, twice.
func takeOvers() (all []takeOver) {
	for _, entries := range []int{2, 3} {
		ends := variants(entries)
		for _, variant := range slices.Sorted(maps.Keys(ends)) {
			n := len(ends[variant])
			for a := 1; a < n; a++ {
				for b := a + 1; b < n; b++ {
					for c := b + 1; c <= n; c++ { // at n: behind the last statement
						for _, first := range []bool{false, true} {
							all = append(all, takeOver{entries, variant, first, [3]int{a, b, c}})
						}
					}
				}
			}
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// originalBeat is what the original client does in a beat, with a statement of the scheduler
// between its request and its acknowledge. It uploads the jobs whose shard_id is NULL and that have
// a complete entry, with all their entries, and marks them as uploaded by id, whatever has happened
// since (docs/protocol.md). It reports whether there was one.
func (r *rig) originalBeat(meanwhile statement) (uploaded bool, err error) {
	ctx := context.Background()
	rows, err := r.watcher.Query(ctx, `SELECT e.id, e.status, e.active, e.complete, e.aborted FROM afe_host_queue_entries AS e
		JOIN afe_jobs AS j ON j.id = e.job_id WHERE j.id = $1 AND j.shard_id IS NULL
			AND EXISTS (SELECT FROM afe_host_queue_entries AS c WHERE c.job_id = j.id AND c.complete)`, jobID)
	if err != nil {
		return false, err
	}
	var id int64
	var e modelEntry
	sent := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &e.Status, &e.Active, &e.Complete, &e.Aborted}, func() error {
		sent++
		r.master.entries[id] = e
		r.master.everComplete[id] = r.master.everComplete[id] || e.Complete
		return nil
	})
	if err != nil {
		return false, err
	}
	if err := r.run(meanwhile); err != nil || sent == 0 {
		return false, err
	}
	_, err = r.watcher.Exec(ctx, "UPDATE afe_jobs SET shard_id = 1 WHERE id = $1", jobID)
	return true, err
}

// playTakeOver plays one, and lets ours serve in the end, as after a migration, and then the
// original once more, to which nothing may be left.
func (r *rig) playTakeOver(o takeOver) error {
	if err := r.reset(scenario{entries: o.entries}); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	for i, st := range variants(o.entries)[o.variant] {
		if !o.serves(i) {
			r.stopClient()
			if _, err := r.originalBeat(st); err != nil {
				return err
			}
			continue
		}
		if r.client == nil {
			r.restart()
		}
		if err := r.run(st); err != nil {
			return err
		}
		if _, err := r.plainBeat(); err != nil {
			return err
		}
	}
	r.stopClient()
	r.restart()
	if err := r.beatUntilIdle(); err != nil { // nothing is uploaded for ever
		return err
	}
	if err := r.agree(); err != nil {
		return err
	}
	r.stopClient()
	nothing := statement{"nothing", func(*schedulerState) string { return "" }}
	uploaded, err := r.originalBeat(nothing)
	if uploaded {
		return errors.New("the original uploads again what ours has uploaded")
	}
	return err
}

// Whichever of the two clients serves a shard when, twice in turn, and wherever the statements of a
// completion fall: every completion reaches the master, and then both are silent.
func TestP1P11TakenOverTwice(t *testing.T) {
	t.Parallel()
	all := takeOvers()
	switch { // one takes as long as five interleavings
	case *everyNth == 0:
		all = all[:len(all)/20]
	case *everyNth > 0:
		all = all[:len(all)/4]
	}
	work := make(chan takeOver)
	var wg sync.WaitGroup
	for range 2 {
		url := pgtest.Database(t)
		wg.Go(func() {
			rig := newRig(t, url)
			defer rig.close()
			failed := 0
			for o := range work {
				if failed > 5 {
					continue
				}
				if err := rig.playTakeOver(o); err != nil {
					failed++
					t.Errorf("%s:\n\t%v", o, err)
				}
			}
		})
	}
	for _, o := range all {
		work <- o
	}
	close(work)
	wg.Wait()
	t.Logf("%d take-overs played", len(all))
}
