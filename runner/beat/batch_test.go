package beat

import (
	"testing"
	"time"
)

var whole = Batch{Jobs: 1000, Bytes: 16 << 20}

func TestBatchHalvesUnderPressureAndGrowsBySuccess(t *testing.T) {
	t.Parallel()
	b := Batch{}.Within(whole)
	sent := func() Batch { return Batch{Jobs: min(b.Jobs, 600), Bytes: min(b.Bytes, 3<<20)} } // 600 jobs of 5 KiB wait
	for _, want := range []int{300, 150, 75, 37, 18, 9, 4, 2, 1, 1} {
		b = b.Halved(sent())
		if b.Jobs != want || b.Bytes < minBatchBytes {
			t.Fatalf("%+v, want %d jobs", b, want)
		}
	}
	for _, want := range []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000} {
		b = b.Grown(sent(), whole, 15*time.Second, time.Minute)
		if b.Jobs != want {
			t.Fatalf("%+v, want %d jobs", b, want)
		}
	}
	if b.Bytes != whole.Bytes {
		t.Errorf("%d bytes after many successes, want the whole limit", b.Bytes)
	}
	if b = (Batch{Jobs: 100, Bytes: 1 << 20}); b.Grown(b, whole, 16*time.Second, time.Minute) != b {
		t.Error("an upload that took more than a quarter of the deadline lets the next one grow")
	}
	if idle := (Batch{}); b.Grown(idle, whole, 0, time.Minute) != b || b.Halved(idle) != b {
		t.Error("an idle beat changes the batch")
	}
	if lower := (Batch{Jobs: 10, Bytes: 1 << 20}); b.Within(lower) != lower {
		t.Errorf("a lowered setting is not obeyed: %+v", b.Within(lower))
	}
}
