package scheduler

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// variant is a way in which the entries of a job end: docs/scheduler-contract.md, "Orders that are
// assumed: none".
type variant string

const (
	fresh       variant = "fresh"
	stale       variant = "stale"
	siblings    variant = "siblings"
	lucifer     variant = "lucifer"
	luciferLate variant = "lucifer, cached late"
)

var variants = []variant{fresh, stale, siblings, lucifer, luciferLate}

// isLucifer reports whether lucifer, the later job runner, ends the entries that have begun.
func (v variant) isLucifer() bool { return v == lucifer || v == luciferLate }

// draw returns the source of randomness for one decision. It depends only on the seed, the decision
// and the id, so the result is the same in every process, in whatever order decisions are made.
func (s *Scheduler) draw(what string, id int64) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", what, id) // a hash never fails to take it
	return rand.New(rand.NewPCG(s.o.Seed, h.Sum64()))
}

func (s *Scheduler) variantOf(jobID int64) variant {
	return variants[s.draw("variant", jobID).IntN(len(variants))]
}

func (s *Scheduler) fails(entryID int64) bool {
	return s.draw("fail", entryID).Float64() < s.o.FailShare
}

// failsEarly reports whether an entry fails before it runs: it never starts and has no finished_on.
func (s *Scheduler) failsEarly(entryID int64) bool {
	return s.fails(entryID) && s.draw("fail early", entryID).IntN(4) == 0
}

// preparation returns the status of a host while it is prepared for an entry.
func (s *Scheduler) preparation(entryID int64) string {
	kinds := []string{provisioning, resetting, verifying}
	return kinds[s.draw("preparation", entryID).IntN(len(kinds))]
}

// cleanup returns the status that a host takes after its entry has ended.
func (s *Scheduler) cleanup(h *host) string {
	switch {
	case s.draw("cleanup", h.entryID).IntN(2) == 0:
		return ready
	case h.entryStatus == failed:
		return repairing
	}
	return cleaning
}

// turns draws how many turns a step waits.
func (s *Scheduler) turns(next *step, id int64) int {
	span := next.atMost - next.atLeast + 1
	return max(0, next.atLeast+s.draw(next.name, id).IntN(span))
}
