package simulation

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// cpuOfServer is the CPU time that a PostgreSQL server has used so far: its postmaster's, that of its children, and that
// of the children that have ended.
func cpuOfServer(postmaster int) (time.Duration, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("read the processes of the database: %w", err)
	}
	var seconds float64
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil {
			continue // it has just ended
		}
		if p.PID == postmaster {
			seconds += stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/ticks
		}
		if stat.PPID == postmaster {
			seconds += stat.CPUTime()
		}
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// ticks is Linux's unit of CPU time as user space sees it, on every architecture that Go knows; procfs assumes the same.
const ticks = 100
