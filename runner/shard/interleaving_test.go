package shard_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"shardclient/runner/pgtest"
)

// everyNth chooses from the shuffled table. The suite has no time for all of it: it plays those in
// which an outcome meets an extra at a place for the first time, or something happens at a
// statement for the first time. `make interleavings` plays all.
var everyNth = flag.Int("interleavings", 0, "play every n-th interleaving; 1: all; 0: what covers each outcome, extra and place; -1: none, but every take-over")

// The places in a beat where a statement of the scheduler can commit. "blocked" is within
// acknowledge, which then waits for a row that the statement has locked.
var positions = []string{
	"before pack", "pack-store", "store-answer", "answer-acknowledge", "blocked", "acknowledge-apply", "after",
}

// What becomes of the beat.
var outcomes = []string{"answer", "lost answer", "kill after store", "kill after acknowledge", "restart"}

// What else happens.
const (
	nothingElse = "nothing else"
	abortedSent = "aborted job sent again"
	resyncOpen  = "resync while an entry is open"
	cappedBatch = "capped batch"
	oldRequest  = "old request stored after a newer one"
	oldBetween  = "old request stored after many newer ones"
	oldOlder    = "old request stored after newer ones, behind an older one that is dead"
	oldSwapped  = "two old requests stored after newer ones, the older one last"
	beatBetween = "a beat after every statement"
)

var extras = []string{nothingElse, abortedSent, resyncOpen, cappedBatch, oldRequest, oldBetween, oldOlder, oldSwapped, beatBetween}

func (s scenario) requestWaits() bool {
	return slices.Contains([]string{oldRequest, oldBetween, oldOlder, oldSwapped}, s.extra)
}

func (s scenario) beatsBetween() bool {
	return slices.Contains([]string{beatBetween, oldBetween, oldOlder, oldSwapped}, s.extra)
}

// scenario is one interleaving.
type scenario struct {
	entries  int
	variant  string
	at       int // the statement that commits at position
	position string
	outcome  string
	extra    string
}

func (s scenario) String() string {
	return fmt.Sprintf("%d entries, %s, statement %d %s, %s, %s",
		s.entries, s.variant, s.at, s.position, s.outcome, s.extra)
}

// repeats reports whether another scenario is the same as this one: a request that waits has no
// answer, and without an answer there is no acknowledge that a statement could be next to.
func (s scenario) repeats() bool {
	unanswered := s.outcome == "lost answer" || s.outcome == "kill after store"
	return s.requestWaits() && !unanswered ||
		unanswered && (s.position == "blocked" || s.position == "acknowledge-apply")
}

func scenarios() []scenario {
	var table []scenario
	for _, entries := range []int{2, 3} {
		all := variants(entries)
		for _, variant := range slices.Sorted(maps.Keys(all)) {
			for at := range all[variant] {
				for _, position := range positions {
					for _, outcome := range outcomes {
						for _, extra := range extras {
							if s := (scenario{entries, variant, at, position, outcome, extra}); !s.repeats() {
								table = append(table, s)
							}
						}
					}
				}
			}
		}
	}
	// Unshuffled, those that are chosen are the same few: the first statement's, or that of every
	// n-th, where n divides their number.
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	return table
}

// chosen is the part of the table that is played.
func chosen(table []scenario) (some []scenario) {
	seen := map[any]bool{}
	for i, s := range table {
		meeting := [3]string{s.outcome, s.extra, s.position}
		place := scenario{entries: s.entries, variant: s.variant, at: s.at}
		if *everyNth > 0 && i%*everyNth == 0 || *everyNth == 0 && !(seen[meeting] && seen[place]) {
			some = append(some, s)
		}
		seen[meeting], seen[place] = true, true
	}
	return some
}

// Every completion reaches the master and nothing unsent is acknowledged, in whatever order the
// scheduler's statements fall into a beat, and whatever becomes of the beat.
func TestP1P2Interleavings(t *testing.T) {
	t.Parallel()
	table := scenarios()
	work := make(chan scenario)
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for range 4 {
		url := pgtest.Database(t)
		wg.Go(func() {
			rig := newRig(t, url)
			defer rig.close()
			for s := range work {
				if err := rig.play(s); err != nil {
					mu.Lock()
					if failed++; failed <= 10 {
						t.Errorf("%s:\n\t%v", s, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	played := 0
	for _, s := range chosen(table) {
		mu.Lock()
		enough := failed > 10
		mu.Unlock()
		if enough {
			break
		}
		work <- s
		played++
	}
	close(work)
	wg.Wait()
	t.Logf("%d of %d interleavings played, %d failed", played, len(table), failed)
}
