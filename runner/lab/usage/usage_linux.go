package usage

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// ticks is how many units of CPU time Linux reports for a second, on every architecture that Go
// supports. procfs assumes the same.
const ticks = 100

// OfServer returns the CPU time that a PostgreSQL server has used so far: its postmaster, its
// children, and the children that have ended.
func OfServer(postmaster int) (time.Duration, error) {
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

// Of returns what a process that is still running has used so far.
func Of(pid int) (Usage, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	status, err := p.NewStatus()
	if err != nil {
		return Usage{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return Usage{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return Usage{
		CPU:      time.Duration(stat.CPUTime() * float64(time.Second)),
		Resident: status.VmRSS,
		Peak:     status.VmHWM,
	}, nil
}
