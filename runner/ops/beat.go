package ops

import "time"

// Beat are the facts of one beat that metrics and health tell.
type Beat struct {
	OK      bool
	Failure string // class of what failed; empty when OK

	// Time of each phase; 0 in a beat that failed: not reached.
	Pack, RPC, Acknowledge, Apply time.Duration

	// Sent says that a packet was built, so that the next three are facts. A beat
	// that failed earlier knows nothing of them, which is not zero.
	Sent                               bool
	KnownJobs, KnownHosts, PendingJobs int // pending: finished jobs that still wait after the beat

	UploadedJobs, UploadedEntries                int // as acknowledged
	ReceivedHosts, ReceivedJobs, ReceivedKeyvals int
	Quarantined                                  int // by this beat

	UploadLimitJobs  int
	UploadLimitBytes int64

	// Quarantine counts what is set aside in all; nil: the beat did not get to count.
	Quarantine *Quarantine
}

// Quarantine counts objects that are set aside, by direction.
type Quarantine struct {
	In, Out        int64
	WaitingForHost int64 // of In
}
