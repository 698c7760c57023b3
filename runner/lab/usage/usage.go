// Package usage reads what processes of this machine have used: memory and CPU time. It knows the
// answer on Linux only.
package usage

import (
	"os"
	"time"
)

// Usage is what one process has used.
type Usage struct {
	CPU      time.Duration
	Resident uint64 // bytes in memory now
	Peak     uint64 // the most bytes that it ever had in memory
}

// Self returns what this process has used.
func Self() (Usage, error) { return Of(os.Getpid()) }
