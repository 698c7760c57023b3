//go:build !linux

package simulation

import (
	"errors"
	"time"
)

// cpuOfServer would need the CPU times of another process's children, which are hard to get here.
func cpuOfServer(int) (time.Duration, error) {
	return 0, errors.New("simulate: the CPU time of the database is known on Linux only: run it there")
}
