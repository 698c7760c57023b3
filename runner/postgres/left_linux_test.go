package postgres

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shardclient/runner/wait"

	"golang.org/x/sys/unix"
)

// sharedMemory returns the paths of the files in memory that a process has mapped.
func sharedMemory(t *testing.T, pid int) []string {
	t.Helper()
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.Lines(string(maps)) {
		if _, path, found := strings.Cut(line, memoryBase+"/"); found {
			paths = append(paths, memoryBase+"/"+strings.TrimSpace(path))
		}
	}
	return paths
}

func TestKilledServerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(p *Server) error{
		"killed": func(p *Server) error { return p.Kill() },
		"killed twice": func(p *Server) error {
			return errors.Join(p.Kill(), p.Restart(t.Context()), p.Kill())
		},
		"killed by somebody else": func(p *Server) error {
			defer func() { <-p.Done() }()
			return syscall.Kill(p.PID(), syscall.SIGKILL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Start(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			mapped := sharedMemory(t, p.PID())
			if err := end(p); err != nil {
				t.Error(err)
			}
			segment, _, found := segmentOf(p.DataDir())
			if !found || !segmentExists(segment) {
				t.Fatalf("no shared memory segment %d (found: %t) after the kill; the test proves nothing", segment, found)
			}
			var exited *ServerExitedError
			if err := p.Stop(); err != nil && !errors.As(err, &exited) {
				t.Error(err)
			}
			for _, path := range append(mapped, p.dir.path) {
				if !missing(path) {
					t.Errorf("%s is still there", path)
				}
			}
			// The last process of the server that notices its postmaster's death takes it along.
			wait.Until(t, "the shared memory segment is gone", func() bool { return !segmentExists(segment) })
		})
	}
}

func segmentExists(id int) bool {
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &unix.SysvShmDesc{})
	return err == nil
}
