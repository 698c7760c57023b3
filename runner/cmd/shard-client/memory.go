package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// garbagePercent is how much garbage there may be beside what is in use, and heapLimit how large
// both may become before garbage is collected more often, in bytes. An answer of 13.6 MB takes
// 37 MB of memory, one of 252 MB takes 49, and a client that waits 22. Without the limit an answer
// of 252 MB takes 57. GOGC or GOMEMLIMIT in the environment has the last word
// (docs/decisions/0084-less-to-do-for-an-answer.md).
const (
	garbagePercent = 75
	heapLimit      = 36 << 20
	// What is in use may be more than the limit: an answer can have 500,000 objects. Then there is
	// room for leastPercent of garbage all the same, or the client would do little but collect it.
	// besideHeap is what Go takes beside the heap, about.
	leastPercent = 40
	besideHeap   = 8 << 20
)

// boundMemory lets garbage be collected as said above.
func boundMemory() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(garbagePercent)
	debug.SetMemoryLimit(heapLimit)
	afterCollections(func() { debug.SetMemoryLimit(limitFor(inUse())) })
}

// limitFor returns how large the heap may become beside so many bytes in use.
func limitFor(inUse int64) int64 {
	return max(heapLimit, inUse+inUse*leastPercent/100+besideHeap)
}

// inUse returns how many bytes the last collection has found in use.
func inUse() int64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return int64(live[0].Value.Uint64())
}

// collection is what nobody uses, so that the next collection of garbage ends it.
type collection struct{ ends func() }

// afterCollections calls a function after each collection of garbage.
func afterCollections(do func()) {
	runtime.SetFinalizer(&collection{do}, func(c *collection) {
		c.ends()
		afterCollections(c.ends)
	})
}
