package memory_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"shardclient/runner/memory"
)

// A program that has more in use than its limit does not collect garbage all the time.
func TestMoreInUseThanTheLimit(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	const most = 36 << 20
	memory.Bound{GarbagePercent: 75, Limit: most, LeastPercent: 40, Beside: 8 << 20}.Set()
	const inUse, garbage = 2 * most, 16 * most
	var used, unused [][]byte
	for range inUse >> 10 {
		used = append(used, make([]byte, 1<<10))
	}
	before := collections()
	for range garbage >> 10 {
		unused = append(unused[:0], make([]byte, 1<<10))
	}
	// By LeastPercent alone it would be 20.
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
