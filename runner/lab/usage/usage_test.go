package usage_test

import (
	"os"
	"runtime"
	"testing"

	"shardclient/runner/lab/usage"
)

// kept keeps the memory below from being freed, or never taken.
var kept []byte

func TestPeakSeesWhatWasHeld(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := usage.Of(os.Getpid()); err == nil {
			t.Error("it knows the memory of a process here, too: say so in its comments")
		}
		return
	}
	kept = make([]byte, 64<<20)
	for i := range kept {
		kept[i] = 1
	}
	used, err := usage.Of(os.Getpid())
	if err != nil || used.Peak < 64<<20 || used.Resident == 0 || used.CPU < 0 {
		t.Errorf("%+v, %v; want a peak of at least 64 MiB", used, err)
	}
	if _, err := usage.Of(1 << 30); err == nil {
		t.Error("a process that does not exist has used something")
	}
}
