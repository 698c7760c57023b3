package beat

import "time"

// Past is what a process that has just started knows of the beats before it, from the history. With
// it, a restart looks to metrics, health and log like a pause.
type Past struct {
	// LastSuccess and LastFailure are when the last beat of either kind ended; zero: none is known.
	LastSuccess, LastFailure time.Time
	// Failure is the class of the last failure.
	Failure string
	// Failures counts the failures since the last success.
	Failures int
	// KnownJobs and KnownHosts are those of the last packet.
	KnownJobs, KnownHosts int

	// Pending, Batch and Quarantine are not of the past: they are what a beat would find now.
	Pending    int
	Batch      Batch
	Quarantine Quarantine
}

// LastBeat returns when the last beat ended, ok or not.
func (p *Past) LastBeat() time.Time {
	if p.LastFailure.After(p.LastSuccess) {
		return p.LastFailure
	}
	return p.LastSuccess
}
