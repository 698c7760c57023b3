package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// A client that has more in use than its memory is to have does not collect garbage all the time.
func TestMoreInUseThanTheLimit(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	boundMemory()
	const inUse, garbage = 2 * heapLimit, 16 * heapLimit
	var used, unused [][]byte
	for range inUse >> 10 {
		used = append(used, make([]byte, 1<<10))
	}
	before := collections()
	for range garbage >> 10 {
		unused = append(unused[:0], make([]byte, 1<<10))
	}
	// By leastPercent alone it would be 20.
	if n := collections() - before; n > 30 {
		t.Errorf("%d collections for %d MiB of garbage beside %d MiB in use", n, garbage>>20, inUse>>20)
	}
	runtime.KeepAlive(used)
	runtime.KeepAlive(unused)
}

func collections() uint64 {
	n := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(n)
	return n[0].Value.Uint64()
}
