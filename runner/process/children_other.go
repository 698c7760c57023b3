//go:build !linux

package process

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// Children returns the ids of the processes that a process has started, zombies included.
func Children(parent int) ([]int, error) {
	list, err := exec.Command("ps", "-A", "-o", "ppid=", "-o", "pid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes with ps: %w", err)
	}
	var children []int
	for line := range bytes.Lines(list) {
		var of, pid int
		if _, err := fmt.Sscan(string(line), &of, &pid); err != nil {
			return nil, fmt.Errorf("read the list of processes from ps: %w", err)
		}
		if of == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// Ended reports whether a process is gone. A zombie counts as gone: it no longer holds anything.
func Ended(pid int) bool {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	if err != nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	return bytes.HasPrefix(bytes.TrimSpace(state), []byte("Z"))
}
