package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Children returns the ids of the processes that a process has started, zombies included.
func Children(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("read the table of processes: %w", err)
		}
		if of, _, known := parentOf(pid); known && of == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// Ended reports whether a process is gone. A zombie counts as gone: it no longer holds anything.
func Ended(pid int) bool {
	_, state, known := parentOf(pid)
	return !known || state == "Z"
}

// parentOf reads a process's parent and state; known is false when the process is gone.
func parentOf(pid int) (parent int, state string, known bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	// The name in brackets may hold blanks and brackets of its own.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if err != nil || len(fields) < 2 {
		return 0, "", false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return parent, string(fields[0]), err == nil
}
