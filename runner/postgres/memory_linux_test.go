package postgres

import (
	"os"
	"testing"
)

// openDirectory is one that the test may give any mode, with none above it that is closed.
func openDirectory(t *testing.T, base string) string {
	t.Helper()
	directory, err := os.MkdirTemp(base, "shard-lab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(directory) })
	return directory
}

// A container's /dev/shm may belong to root alone: an ordinary user's server then lives in the
// temporary directory.
func TestBaseIsWhereTheAccountMayWrite(t *testing.T) {
	t.Setenv("TMPDIR", "")
	me := account{uid: os.Geteuid(), gid: os.Getegid()}
	sibling := account{uid: me.uid + 1, gid: me.gid}
	other := account{uid: me.uid + 1, gid: me.gid + 1}
	served := account{uid: me.uid + 1, gid: me.gid + 1, switches: true}
	directory := openDirectory(t, "/tmp")
	for _, tt := range []struct {
		mode  os.FileMode
		owner account
		want  bool
	}{
		{0o755, me, true},
		{0o555, me, false},
		{0o775, sibling, true},
		{0o755, sibling, false},
		{0o757, other, true},
		{0o755, other, false},
		{0o755, served, true}, // root makes the server's directory, the server passes through
		{0o750, served, false},
	} {
		if err := os.Chmod(directory, tt.mode); err != nil {
			t.Fatal(err)
		}
		if got := writable(directory, tt.owner); got != tt.want {
			t.Errorf("mode %o for %+v: writable is %t", tt.mode, tt.owner, got)
		}
	}
	if got := base(directory+"/none", false, me); got != os.TempDir() {
		t.Errorf("base %s without a directory in memory", got)
	}
	memory := directory
	if roomIn(memoryBase) >= enoughMemory && writable(memoryBase, me) {
		memory = openDirectory(t, memoryBase) // elsewhere the room decides alone
	}
	if got := base(memory, false, other); got != os.TempDir() {
		t.Errorf("base %s, where the account may not write", got)
	}
}
