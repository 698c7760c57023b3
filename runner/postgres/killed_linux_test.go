package postgres

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"shardclient/runner/wait"
)

// ended reports whether a process is gone, or only waits for its new parent to notice.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return err != nil || bytes.HasPrefix(state, []byte("Z"))
}

func TestPostgresDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	h := startHelper(t, nil)
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait()
	wait.Until(t, "server gone after its parent", func() bool { return ended(h.serverPID) })
	if missing(h.directory) {
		t.Fatalf("%s is gone already; the test proves nothing", h.directory)
	}
	makeOld(t, h.directory)
	start(t, Options{})
	if !missing(h.directory) {
		t.Errorf("%s is still there after the next start", h.directory)
	}
}
