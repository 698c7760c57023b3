//go:build !linux && !darwin

package postgres

// removeSegment removes nothing: the segment of a killed server stays until the next start of the
// machine.
func removeSegment(string) error { return nil }
