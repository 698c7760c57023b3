//go:build !linux

package usage

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("what a process uses is known on Linux only: run it there")

// OfServer would need the CPU times of another process's children, which are hard to get here.
func OfServer(int) (time.Duration, error) { return 0, errNotLinux }

// Of would need the peak of another process's memory.
func Of(int) (Usage, error) { return Usage{}, errNotLinux }
