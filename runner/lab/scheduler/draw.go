package scheduler

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// variant is a way in which the entries of a job end: docs/scheduler-contract.md, "Orders that are assumed: none".
type variant string

const (
	fresh       variant = "fresh"
	stale       variant = "stale"
	siblings    variant = "siblings"
	lucifer     variant = "lucifer"
	luciferLate variant = "lucifer, cached late"
)

var variants = []variant{fresh, stale, siblings, lucifer, luciferLate}

// isLucifer says whether the later job runner ends what has begun.
func (v variant) isLucifer() bool { return v == lucifer || v == luciferLate }

// draw returns the source of one decision. It depends on nothing but the seed, the decision and the id, so that it
// comes out the same in every process and in whatever order decisions are made.
func (s *Scheduler) draw(what string, id int64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", what, id)
	return rand.New(rand.NewPCG(s.o.Seed, h.Sum64()))
}

func (s *Scheduler) variantOf(jobID int64) variant {
	return variants[s.draw("variant", jobID).IntN(len(variants))]
}

func (s *Scheduler) fails(entryID int64) bool {
	return s.draw("fail", entryID).Float64() < s.o.FailShare
}

// failsEarly says whether a failing entry fails before it runs: it never starts and has no finished_on.
func (s *Scheduler) failsEarly(entryID int64) bool {
	return s.fails(entryID) && s.draw("fail early", entryID).IntN(4) == 0
}

// preparation is what a host goes through before an entry runs on it.
func (s *Scheduler) preparation(entryID int64) string {
	kinds := []string{provisioning, resetting, verifying}
	return kinds[s.draw("preparation", entryID).IntN(len(kinds))]
}

// cleanup is what a host goes through after its entry has ended.
func (s *Scheduler) cleanup(h *host) string {
	switch {
	case s.draw("cleanup", h.entryID).IntN(2) == 0:
		return ready
	case h.entryStatus == failed:
		return repairing
	}
	return cleaning
}

// turns before a step.
func (s *Scheduler) turns(next *step, id int64) int {
	span := next.atMost - next.atLeast + 1
	return max(0, next.atLeast+s.draw(next.name, id).IntN(span))
}
