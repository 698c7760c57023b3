// Package memory says how much memory a program may use for garbage.
package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Bound says when garbage is collected.
type Bound struct {
	// GarbagePercent is how much garbage there may be beside what is in use.
	GarbagePercent int
	// Limit is how large both may become before garbage is collected more often, in bytes. What
	// is in use may be more: then there is room for LeastPercent of garbage all the same, and for
	// Beside bytes, which Go takes beside the heap. Otherwise the program would do little but
	// collect garbage.
	Limit        int64
	LeastPercent int64
	Beside       int64
}

// Set lets garbage be collected so from now on. GOGC or GOMEMLIMIT in the environment has the last
// word.
func (b Bound) Set() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(b.GarbagePercent)
	debug.SetMemoryLimit(b.Limit)
	afterCollections(func() { debug.SetMemoryLimit(b.limitFor(inUse())) })
}

// limitFor returns how large the heap may become beside so many bytes in use.
func (b Bound) limitFor(inUse int64) int64 {
	return max(b.Limit, inUse+inUse*b.LeastPercent/100+b.Beside)
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
