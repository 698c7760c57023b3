//go:build !linux

package lab

// roomIn returns 0: there is no directory in memory.
func roomIn(string) int64 { return 0 }
