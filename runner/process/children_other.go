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

// Children returns the ids of the processes that a process has started, zombies too.
func Children(parent int) ([]int, error) {
	list, err := exec.Command("ps", "-A", "-o", "ppid=", "-o", "pid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes with ps: %w", err)
	}
	var children []int
	for line := range bytes.Lines(list) {
		var of, pid int
		if _, err := fmt.Sscan(string(line), &of, &pid); err != nil {
			return nil, fmt.Errorf("read what ps lists: %w", err)
		}
		if of == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// Ended reports whether a process is gone, or only waits for its parent to notice: it holds nothing any more.
func Ended(pid int) bool {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return err != nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || bytes.HasPrefix(bytes.TrimSpace(state), []byte("Z"))
}
