// Package hint knows what to do about a failure, in a line or two: one remedy for each class of
// failure, finer ones where the cause is known, and one for each code of the quarantine. The words
// are those of the runbook (docs/runbook.md), and a test walks through both.
//
// A remedy is a sentence without capital and full stop, so that it can stand after "hint: ".
package hint

import (
	"cmp"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
)

// classes has the remedy for each class of failure.
var classes = map[string]string{
	string(afe.Transport):   "ask whether the master is up and reachable from here",
	string(afe.Deadline):    "look at the load of the master if beats without an upload time out too",
	string(afe.HTTPStatus):  "look at what answers at --master: the status says what it wants, and the page behind it why",
	string(afe.Undecodable): "look at what stands between shard and master, and at the version of the master",
	string(afe.Incomplete): "wait, the next answer brings what is missing; if it happens often, " +
		"look at the version of the master and at what stands between",
	string(afe.TooLarge): "raise --max-response-bytes if that many objects are meant to come",
	string(afe.Spool):    "make room in that directory, or name another one with --spool-dir",
	string(afe.RPC):      "read the log of the master, which has raised this exception",
	string(afe.Internal): "report it with the line of the log that has the stack; if it stays, " +
		"go back to the version before",
	beat.FailureDatabase: "ask whether PostgreSQL is up, whether its disk is full, and who holds locks in it",
	beat.FailureLocked: "wait, the next beat does what was left; if it stays, " +
		"end the session that holds the lock with shard-client sessions end",
	beat.FailureLockLost: "wait, the next beat takes the lock again or names the client that has it; " +
		"if it happens often, look at the network to the database",
	beat.FailureNoProgress: "compare --shard-hostname with the name by which the master knows this shard, " +
		"and look on the master at a job of the upload",
	beat.FailureRefusesAll: "read the log of the master, and look at its version: no record of this shard is to blame",
	beat.FailureStopped:    "run it again",
}

// Of returns what to do about a class of failure; "" for one that is not known.
func Of(class string) string { return classes[class] }

// codes has the remedy for each code of the quarantine.
var codes = map[string]string{
	"malformed":    "correct the object on the master",
	"duplicate_id": "wait, it is usually gone with the next beat; if it stays, look for the id on the master",
	"name_taken":   "remove or rename one of the two hosts on the master",
	"job_taken": "find out which of the two databases is right; " +
		"if the master is, delete the job that is here (quarantine drop)",
	"host_taken": "rename the host here if it was renamed on the master (quarantine rename); " +
		"delete it here if the master gave its id to another machine (quarantine drop)",
	"entry_taken":         "find out which of the two jobs has the entry before you touch anything",
	"waiting_for_host":    "wait until the host arrives; after hours, look on the master why it is not sent",
	"waiting_for_keyvals": "mend what makes the beats fail, the job waits for that only",
	"database":            "correct the object on the master, or the trigger or check here that refuses it",
	"too_slow":            "look why it takes that long: a trigger, a missing index, a slow server",
	"refused":             "mend the record here or on the master; it is tried again by itself",
}

// OfCode returns what to do about an object that is set aside with this code; "" for one that is
// not known.
func OfCode(code string) string { return codes[code] }

// For returns what to do about an error of this class; "" is the class of an error outside beats,
// as at a start. A remedy that the text of the error has already is "": no message says it twice.
func For(class string, err error) string {
	remedy := find(class, err)
	if remedy != "" && err != nil && strings.Contains(err.Error(), remedy) {
		return ""
	}
	return remedy
}

func find(class string, err error) string {
	if err == nil {
		return Of(class)
	}
	if known, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return known.Hint()
	}
	failure, ofMaster := errors.AsType[*afe.Error](err)
	switch {
	case ofMaster && (class == "" || class == string(failure.Class)):
		return remedyOf(causesOfMaster, err, Of(string(failure.Class)))
	case ofMaster:
		return Of(class)
	case class == beat.FailureDatabase, class == "" && isOfDatabase(err):
		return remedyOf(causesOfDatabase, err, Of(beat.FailureDatabase))
	default:
		return Of(class)
	}
}

// Recorded returns what to do about a failed beat of which only class and text are left, as in the
// history. What the text itself has is not said twice.
func Recorded(class, text string) string {
	causes := map[string][]cause{
		beat.FailureDatabase: causesOfDatabase, string(afe.Transport): noAnswer, string(afe.HTTPStatus): notOK,
		string(afe.Undecodable): notOurs, string(afe.RPC): exceptions,
	}[class]
	remedy := Of(class)
	if known := slices.IndexFunc(causes, func(c cause) bool { return c.recorded(text) }); known >= 0 {
		remedy = causes[known].remedy
	}
	if strings.Contains(text, cmp.Or(remedy, text)) {
		return ""
	}
	return remedy
}

// cause is what a failure may come from, and what to do about it.
type cause struct {
	is func(error) bool
	// says is what the text of such an error has, by which it is known again once only the text is
	// left: alternatives with | between them; "": it is not known again.
	says   string
	remedy string
}

// recorded reports whether a text is that of such an error.
func (c *cause) recorded(text string) bool {
	for says := range strings.SplitSeq(c.says, "|") {
		if says != "" && strings.Contains(text, says) {
			return true
		}
	}
	return false
}

// remedyOf returns the remedy for the first cause that fits; otherwise the other one.
func remedyOf(causes []cause, err error, otherwise string) string {
	for _, c := range causes {
		if c.is(err) {
			return c.remedy
		}
	}
	return otherwise
}

// isA reports whether an error has a cause of one type.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func is(cause error) func(error) bool {
	return func(err error) bool { return errors.Is(err, cause) }
}

func isExpired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// isNotYet reports whether a certificate is not valid yet, for which there is no reason of its own.
func isNotYet(err error) bool {
	return isExpired(err) && strings.Contains(err.Error(), notYet)
}

const notYet = "Z is before "

// isUnreachable reports whether a connection could not be made, and only the time that went by, or
// a router, says so.
func isUnreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" &&
		(op.Timeout() || errors.Is(op, syscall.EHOSTUNREACH) || errors.Is(op, syscall.ENETUNREACH))
}
