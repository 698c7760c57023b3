// Package beat owns the noun of this program: what one heartbeat was. The client fills in a
// [Report]; the log, the history, the metrics, /healthz and `once` read it, and none of them types
// its fields again.
//
// # From a shard to its readers
//
//	shard.Client.Beat   makes the report; a Stopwatch fills in its phases
//	loop.Loop           reads Soon, Outage, Abandoned and Fatal, and logs the Attributes
//	ops.Metrics         counts it; ops.Health notes when it ended
//	once                prints its JSON or its Summary
//
// # The size of an upload
//
// [Batch] is how much a packet may hold, and the rule by which that shrinks and grows.
//
// # The end of a beat
//
// [Outlive] lets what is under way go on for a while after a stop was asked for, and [WithCause]
// says in an error why that ended.
//
// The package knows neither database nor wire, and imports no other package of ours.
package beat

import (
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// The values of [Report].Outcome.
const (
	OutcomeOK     = "ok"
	OutcomeFailed = "failed"
)

// The values of [Report].Failure that are not failures of the wire. Those of the wire are the
// classes of package afe.
const (
	FailureDatabase = "database"  // PostgreSQL refused something, or could not be reached
	FailureLocked   = "locked"    // something is left for the next beat because another session has locked it
	FailureLockLost = "lock_lost" // another client took the shard over, or the lock's connection broke

	// FailureNoProgress: jobs are uploaded again and again, although the master answers.
	FailureNoProgress = "no_progress"
	// FailureRefusesAll: the master refuses an empty packet, too.
	FailureRefusesAll = "refuses_all"
	// FailureStopped: the beat of `once` did not begin, because a signal came before it. The beats
	// of `run` never have it.
	FailureStopped = "stopped"
)

// Report says how one heartbeat went. Its JSON is a contract: `once --output json` prints it, and
// the history keeps it. Fields without a JSON name are for the process that beats.
type Report struct {
	// Outcome is "ok" or "failed".
	Outcome string `json:"outcome"`
	// Failure is the class of the failure; "" when the beat is ok.
	Failure string `json:"failure"`
	// Error is the failure in one line, without secrets; "" when the beat is ok.
	Error string `json:"error"`

	// The four phases add up to the whole time of the beat, in milliseconds.
	PackedMS float64 `json:"packed_ms"` // build the packet
	RPCMS    float64 `json:"rpc_ms"`    // call the master, with all retries
	AckMS    float64 `json:"ack_ms"`    // note the uploaded jobs as uploaded
	ApplyMS  float64 `json:"apply_ms"`  // store what was received

	// The packet, as sent.
	KnownJobs  int `json:"known_jobs"`
	KnownHosts int `json:"known_hosts"`
	// The upload, as acknowledged.
	UploadedJobs    int `json:"uploaded_jobs"`
	UploadedEntries int `json:"uploaded_entries"`
	// The answer, bad objects included.
	ReceivedHosts   int `json:"received_hosts"`
	ReceivedJobs    int `json:"received_jobs"`
	ReceivedKeyvals int `json:"received_keyvals"`
	// Quarantined counts the objects that this beat set aside.
	Quarantined int `json:"quarantined"`

	// Repeated counts the jobs of the upload that the master has answered without any progress.
	Repeated int `json:"-"`
	// OfAnother counts the jobs of the upload that another client had acknowledged before.
	OfAnother int `json:"-"`

	// Protocol is the version of the protocol in which the packet was written.
	Protocol string `json:"-"`
	// RequestBytes and ResponseBytes are the sizes of the request's body and of the answer; 0: none
	// was made, or none came.
	RequestBytes, ResponseBytes int64 `json:"-"`
	// LockWaits counts how often the beat waited for what another session had locked, and
	// LeftLocked what it left for the next beat because that did not help.
	LockWaits, LeftLocked int `json:"-"`
	// Err is the failure that Error describes; nil when the beat is ok. It may hold secrets.
	Err error `json:"-"`
	// Hint says what to do about the failure, for people; "": nothing that Error does not say.
	Hint string `json:"-"`
	// Fatal reports whether no later beat can mend the failure: another client holds the lock, or
	// the database is a copy.
	Fatal bool `json:"-"`
	// Outage reports whether the master, or a proxy before it, could not be reached or could not
	// cope. All shards meet the same outage.
	Outage bool `json:"-"`
	// Abandoned reports whether the request was given up. It may still wait in the master's queue.
	Abandoned bool `json:"-"`
	// Soon reports whether the next beat should follow after a short pause: finished jobs are left
	// for the next packet, or the client looks for the record that the master refuses.
	Soon bool `json:"-"`

	// Pending counts the finished jobs when the packet was built, those in the packet too.
	Pending int `json:"-"`
	// Batch is how much the next packet may hold.
	Batch Batch `json:"-"`
	// Quarantine counts all objects that are set aside after the beat; nil: the beat ended before
	// it counted them.
	Quarantine *Quarantine `json:"-"`
}

// Quarantine counts the objects that are set aside, by direction.
type Quarantine struct {
	In, Out        int64 // received from the master; not accepted by the master
	WaitingForHost int64 // of In: jobs that only wait until one of their hosts arrives
	Taken          int64 // not counted above: jobs and hosts here whose id the master gave to another
}

// Fail makes the report one of a failed beat. class is the value of Failure; text is for people:
// one line, without secrets.
func (r *Report) Fail(err error, class, text string) {
	r.Outcome = OutcomeFailed
	r.Failure = class
	r.Error = text
	r.Err = err
}

// OK reports whether the beat did all that it was to do.
func (r *Report) OK() bool { return r.Outcome == OutcomeOK }

// Sent reports whether a packet was sent. Before that, counts such as KnownJobs are not 0 but
// unknown.
func (r *Report) Sent() bool { return r.RPCMS > 0 }

// RPCTime returns the time of the call to the master, with all its retries.
func (r *Report) RPCTime() time.Duration { return milliseconds(r.RPCMS) }

// Total returns the time of the whole beat.
func (r *Report) Total() time.Duration {
	return milliseconds(r.PackedMS + r.RPCMS + r.AckMS + r.ApplyMS)
}

// StillPending returns how many finished jobs wait for their upload after the beat.
func (r *Report) StillPending() int { return r.Pending - r.UploadedJobs }

// Phases returns the name and the time of each phase, in their order. When the beat failed, a phase
// that took no time was not reached.
func (r *Report) Phases() iter.Seq2[string, time.Duration] {
	return func(yield func(string, time.Duration) bool) {
		_ = yield("pack", milliseconds(r.PackedMS)) &&
			yield("rpc", milliseconds(r.RPCMS)) &&
			yield("ack", milliseconds(r.AckMS)) &&
			yield("apply", milliseconds(r.ApplyMS))
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Attributes returns the facts of the beat for its line in the log, as pairs of key and value under
// the names of the JSON. The class and the text of a failure come first, and what to do about it.
func (r *Report) Attributes() []any {
	var attributes []any
	if r.Err != nil {
		attributes = append(attributes, "failure", r.Failure, "error", r.Error)
	}
	if r.Hint != "" {
		attributes = append(attributes, "hint", r.Hint)
	}
	return append(attributes, "total_ms", float64(r.Total().Microseconds())/1000,
		"packed_ms", r.PackedMS, "rpc_ms", r.RPCMS, "ack_ms", r.AckMS, "apply_ms", r.ApplyMS,
		"known_jobs", r.KnownJobs, "known_hosts", r.KnownHosts,
		"uploaded_jobs", r.UploadedJobs, "uploaded_entries", r.UploadedEntries,
		"received_hosts", r.ReceivedHosts, "received_jobs", r.ReceivedJobs, "received_keyvals", r.ReceivedKeyvals,
		"quarantined", r.Quarantined, slog.String("protocol", r.Protocol))
}

// Summary returns the report as people read it, without a newline at the end: two lines of a beat
// that is ok, one of a failed beat.
func (r *Report) Summary() string {
	if !r.OK() {
		return fmt.Sprintf("heartbeat failed (%s): %s", r.Failure, r.Error)
	}
	return fmt.Sprintf("heartbeat ok: knew %s and %s, uploaded %s with %s, "+
		"received %s, %s and %s, set aside %d\n"+
		"pack %.1f ms, rpc %.1f ms, acknowledge %.1f ms, apply %.1f ms",
		Jobs(r.KnownJobs), hosts(r.KnownHosts), Jobs(r.UploadedJobs), count(r.UploadedEntries, "entry", "entries"),
		hosts(r.ReceivedHosts), Jobs(r.ReceivedJobs), count(r.ReceivedKeyvals, "keyval", "keyvals"), r.Quarantined,
		r.PackedMS, r.RPCMS, r.AckMS, r.ApplyMS)
}

// Description returns the report as people read it at a terminal, in lines of 80 columns but for
// the text of an error.
func (r *Report) Description() string {
	if !r.OK() {
		return r.Summary()
	}
	return fmt.Sprintf("heartbeat ok in %v\n"+
		"  knew       %s, %s\n  uploaded   %s, %s\n  received   %s, %s, %s\n  set aside  %s\n"+
		"  times      pack %.1f ms, rpc %.1f ms, acknowledge %.1f ms, apply %.1f ms",
		r.Total().Round(time.Millisecond), Jobs(r.KnownJobs), hosts(r.KnownHosts),
		Jobs(r.UploadedJobs), count(r.UploadedEntries, "entry", "entries"),
		hosts(r.ReceivedHosts), Jobs(r.ReceivedJobs), count(r.ReceivedKeyvals, "keyval", "keyvals"),
		count(r.Quarantined, "object", "objects"), r.PackedMS, r.RPCMS, r.AckMS, r.ApplyMS)
}

// Jobs returns a number of jobs in words: 1 job, 2 jobs.
func Jobs(n int) string { return count(n, "job", "jobs") }

func hosts(n int) string { return count(n, "host", "hosts") }

func count(n int, one, more string) string {
	if n != 1 {
		one = more
	}
	return fmt.Sprintf("%d %s", n, one)
}
