package afe

import (
	"errors"
	"net/http"
)

// Verdict says what the end of a call means for the next packet: what is to blame. It is a set,
// because an HTTP 500 may mean either of two things.
type Verdict uint8

const (
	// Answered: the master took the packet and sent a result.
	Answered Verdict = 1 << iota
	// Refused: the master, or a proxy before it, objects to the packet's content rather than to its
	// size or to the moment. A smaller packet, without the guilty record, may pass.
	Refused
	// Overloaded: the request reached the master, or a proxy before it, and was too much for it.
	// The next packet should be smaller.
	Overloaded
	// Unreachable: the packet did not reach a master, and neither its content nor its size is to
	// blame: no connection, a redirect, a proxy that asks for patience.
	Unreachable
	// Unusable: an answer came that cannot be used.
	Unusable
	// Unknown: the master knows no such shard, or no such call. No record of the packet is to
	// blame.
	Unknown
	// Ours: a fault of shard-client itself, which says nothing about the master.
	Ours
)

// Is reports whether the verdict has one of the given meanings.
func (v Verdict) Is(meanings Verdict) bool { return v&meanings != 0 }

// Outage reports whether the master was out of reach or could not cope. All shards meet the same
// outage, so they spread their next beats.
func (v Verdict) Outage() bool { return v.Is(Overloaded | Unreachable) }

// Judge returns the verdict on the error of a [Client.Heartbeat]; it is the one place that decides.
// nil is [Answered], and an error that is not an [*Error] is [Ours].
func Judge(err error) Verdict {
	var failure *Error
	switch {
	case err == nil:
		return Answered
	case !errors.As(err, &failure):
		return Ours
	}
	switch failure.Class {
	case RPC:
		if failure.RPC != nil && failure.RPC.ofTheCall() {
			return Unknown
		}
		return Refused
	case Deadline:
		return Overloaded
	case Transport:
		// Where nothing listens, the size of the packet is not to blame.
		if isUnsent(err) {
			return Unreachable
		}
		return Overloaded
	case HTTPStatus:
		return judgeStatus(failure.Status)
	case Undecodable, Incomplete, TooLarge:
		return Unusable
	default:
		return Ours
	}
}

// judgeStatus judges an HTTP status that is not 200. The original master gives 500 to a character
// outside ASCII, and a broken master gives it to everything.
func judgeStatus(status int) Verdict {
	switch {
	case status == http.StatusRequestEntityTooLarge, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return Overloaded
	case status == http.StatusTooManyRequests, status < http.StatusBadRequest:
		return Unreachable
	case status < http.StatusInternalServerError:
		return Refused | Unreachable
	default:
		return Refused | Overloaded
	}
}

// Abandoned reports whether a call ended because it took too long, for us or for a proxy. Then the
// request may still wait in the master's queue.
func Abandoned(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && (failure.Class == Deadline || failure.Status == http.StatusGatewayTimeout)
}

// Clear reports whether no copy of a packet whose call ended with err can be stored later: the
// master has answered the only request, or there was none.
func Clear(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && !failure.Unsure
}
