//go:build linux || darwin

package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// segmentLine is the line of postmaster.pid with the key and the id of the shared memory segment by
// which PostgreSQL notices a second server over the same data.
const segmentLine = 7

// removeSegment removes the shared memory segment of a server that was killed: the kernel keeps it
// until the next start of the machine, and some systems have no more than 32. A server that was
// stopped has removed its own, and postmaster.pid with it.
func removeSegment(dataDir string) error {
	id, postmaster, found := segmentOf(dataDir)
	if !found {
		return nil
	}
	var segment unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err != nil {
		return nil // it is gone
	}
	// A file that is older than the machine's last start may name what is another program's by now.
	if int(segment.Cpid) != postmaster {
		return nil
	}
	_, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EIDRM) {
		return fmt.Errorf("remove shared memory segment (try ipcrm -m %d) of process %d: %w", id, postmaster, err)
	}
	return nil
}

// segmentOf reads postmaster.pid, which is incomplete while a server starts.
func segmentOf(dataDir string) (id, postmaster int, found bool) {
	content, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	lines := strings.Split(string(content), "\n")
	if err != nil || len(lines) < segmentLine {
		return 0, 0, false
	}
	var key uint64
	_, idErr := fmt.Sscan(lines[segmentLine-1], &key, &id)
	_, pidErr := fmt.Sscan(lines[0], &postmaster)
	return id, postmaster, idErr == nil && pidErr == nil
}
