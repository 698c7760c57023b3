// Package beat owns the noun of this program: what one heartbeat was, in one type that the client
// fills in and that everybody else reads. The log line, the history, the metrics, /healthz and
// `once` all print a [Report]; none of them types its fields again.
//
// It knows no database, no wire and nobody of ours.
package beat

import (
	"iter"
	"log/slog"
	"math"
	"time"
)

// Outcomes of a beat.
const (
	OutcomeOK     = "ok"
	OutcomeFailed = "failed"
)

// Failures that are not the wire's; those are the classes of package afe.
const (
	FailureDatabase = "database"  // PostgreSQL refused, or was not to be had
	FailureLockLost = "lock_lost" // another client took the shard over, or its connection broke
)

// Report says how one heartbeat went. Its JSON is a contract: `once --output json` prints it, and
// the history keeps it.
type Report struct {
	Outcome string `json:"outcome"` // ok, failed
	Failure string `json:"failure"` // the class of what failed; "" when the beat is ok
	Error   string `json:"error"`   // one line, without secrets

	// The four phases make up the whole time of the beat.
	PackedMS float64 `json:"packed_ms"`
	RPCMS    float64 `json:"rpc_ms"`
	AckMS    float64 `json:"ack_ms"`
	ApplyMS  float64 `json:"apply_ms"`

	KnownJobs       int `json:"known_jobs"` // as sent
	KnownHosts      int `json:"known_hosts"`
	UploadedJobs    int `json:"uploaded_jobs"` // as acknowledged
	UploadedEntries int `json:"uploaded_entries"`
	ReceivedHosts   int `json:"received_hosts"` // bad ones included
	ReceivedJobs    int `json:"received_jobs"`
	ReceivedKeyvals int `json:"received_keyvals"`
	Quarantined     int `json:"quarantined"` // by this beat

	// Protocol is the version that the master was spoken to in.
	Protocol string `json:"-"`
	// Err is what Error says; nil when the beat is ok.
	Err error `json:"-"`
	// Fatal says that no later beat can mend this failure: another client holds the lock.
	Fatal bool `json:"-"`
	// Outage says that the master, or what stands before it, could not be reached or could not
	// cope. All shards meet the same outage.
	Outage bool `json:"-"`
	// Abandoned says that the request was given up, and may still wait in the master's queue.
	Abandoned bool `json:"-"`
	// Soon says that the next beat should follow after a short pause: finished jobs are left for
	// the next packet, or the record that the master refuses is looked for.
	Soon bool `json:"-"`

	// Pending counts the finished jobs when the packet was built, those in it too.
	Pending int `json:"-"`
	// Batch is what the next packet may hold.
	Batch Batch `json:"-"`
	// Quarantine counts all that is set aside after the beat; nil: the beat did not get to count.
	Quarantine *Quarantine `json:"-"`
}

// Quarantine counts the objects that are set aside.
type Quarantine struct {
	In, Out        int64 // by direction: from the master, to the master
	WaitingForHost int64 // of In: jobs that only wait for a host of theirs to arrive
}

// Fail fills in outcome, class and text of a failure. The text is for people: one line, without
// secrets.
func (r *Report) Fail(err error, class, text string) {
	r.Outcome, r.Failure, r.Error, r.Err = OutcomeFailed, class, text, err
}

// OK reports whether the beat did all that it was to do.
func (r *Report) OK() bool { return r.Outcome == OutcomeOK }

// Sent reports whether a packet was built. What is known of the packet stands behind it; a beat
// that failed earlier knows nothing of it, which is not zero.
func (r *Report) Sent() bool { return r.RPCMS > 0 }

// StillPending counts the finished jobs that wait for their upload after the beat.
func (r *Report) StillPending() int { return r.Pending - r.UploadedJobs }

// Phases returns the name and the time of each phase, in their order. A phase of a failed beat
// that took no time was not reached.
func (r *Report) Phases() iter.Seq2[string, time.Duration] {
	return func(yield func(string, time.Duration) bool) {
		_ = yield("pack", milliseconds(r.PackedMS)) && yield("rpc", milliseconds(r.RPCMS)) &&
			yield("ack", milliseconds(r.AckMS)) && yield("apply", milliseconds(r.ApplyMS))
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Attributes are the facts of the beat for its line in the log; the class and text of a failure
// come first.
func (r *Report) Attributes() []any {
	var attributes []any
	if r.Err != nil {
		attributes = append(attributes, "failure", r.Failure, "error", r.Error)
	}
	return append(attributes,
		"packed_ms", r.PackedMS, "rpc_ms", r.RPCMS, "ack_ms", r.AckMS, "apply_ms", r.ApplyMS,
		"known_jobs", r.KnownJobs, "known_hosts", r.KnownHosts,
		"uploaded_jobs", r.UploadedJobs, "uploaded_entries", r.UploadedEntries,
		"received_hosts", r.ReceivedHosts, "received_jobs", r.ReceivedJobs, "received_keyvals", r.ReceivedKeyvals,
		"quarantined", r.Quarantined, slog.String("protocol", r.Protocol))
}

// Stopwatch gives all time of a beat to one phase or another, so that the phases explain the whole
// beat. Time after the last phase began counts to that phase.
type Stopwatch struct {
	last  time.Time
	phase *float64
}

// NewStopwatch returns a stopwatch whose first phase began at the given time.
func NewStopwatch(since time.Time) *Stopwatch { return &Stopwatch{last: since} }

// Start ends the phase before, if there was one, and gives the time from now on to this one.
func (w *Stopwatch) Start(phase *float64) {
	if w.phase != nil {
		w.Stop()
	}
	w.phase = phase
}

// Stop adds the time that has passed to the phase that was started last. It may be called again.
func (w *Stopwatch) Stop() {
	if w.phase == nil {
		return
	}
	now := time.Now()
	// Whole microseconds, so that no sum prints as 3.2439999999999998.
	*w.phase = math.Round(*w.phase*1000+float64(now.Sub(w.last).Microseconds())) / 1000
	w.last = now
}
