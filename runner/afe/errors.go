package afe

import (
	"cmp"
	"fmt"

	"shardclient/runner/plain"
)

// Class says what kind of failure a heartbeat met.
type Class string

const (
	// Transport: no answer came, or it broke off.
	Transport Class = "transport"
	// Deadline: the beat's time, or the time granted by a shutdown, ran out.
	Deadline Class = "deadline"
	// HTTPStatus: an answer that is not 200. The original master says 500, with a
	// page of HTML, to a body it cannot read.
	HTTPStatus Class = "http_status"
	// Undecodable: 200, but no JSON-RPC answer.
	Undecodable Class = "undecodable"
	// Incomplete: a result of which a section is missing or no list. The others count,
	// and so does the upload: there is a result. Only Response.Incomplete has it.
	Incomplete Class = "incomplete"
	// TooLarge: an answer longer than the limit; it was not read to its end.
	TooLarge Class = "too_large"
	// RPC: the master raised an exception and says which.
	RPC Class = "rpc_error"
	// Internal: a fault of shard-client itself, such as a packet that cannot be encoded.
	// It says nothing about the master, and nothing was sent.
	Internal Class = "internal"
)

// Classes returns every class.
func Classes() []Class {
	return []Class{Transport, Deadline, HTTPStatus, Undecodable, Incomplete, TooLarge, RPC, Internal}
}

// Limits of what an error repeats of an answer, in bytes. The master's error
// text can hold the whole packet.
const (
	maxErrorBody    = 512
	maxErrorMessage = 1000
)

// Error is a heartbeat that brought no result.
type Error struct {
	Class  Class
	URL    string // without credentials
	Status int    // HTTPStatus
	// Location is where a redirect points; it is not followed.
	Location string
	Body     string // HTTPStatus, Undecodable: the first 512 bytes
	RPC      *RPCError
	Err      error // cause, where there is one
	// Unsure reports whether the master may have stored the packet, or may do so later.
	// A JSON-RPC error to the only request of a beat is a clear answer, and so is a fault
	// of our own before any request; nothing else is.
	Unsure bool
}

func (e *Error) Error() string {
	switch e.Class {
	case RPC:
		return fmt.Sprintf("heartbeat: master %s refused it: %v", e.URL, e.RPC)
	case HTTPStatus:
		return fmt.Sprintf("heartbeat: master %s answered HTTP %d%s: %s", e.URL, e.Status, e.hint(), cmp.Or(plain.Line(e.Body, maxErrorBody), "(empty)"))
	case Undecodable:
		return fmt.Sprintf("heartbeat: answer of master %s is no JSON-RPC: %v: %s", e.URL, e.Err, cmp.Or(plain.Line(e.Body, maxErrorBody), "(empty)"))
	case Internal:
		return fmt.Sprintf("heartbeat: nothing was sent to master %s: %v; this is a fault of shard-client itself, please report it", e.URL, e.Err)
	case Deadline:
		return fmt.Sprintf("heartbeat: master %s gave no answer in time: %v", e.URL, e.Err)
	default:
		return fmt.Sprintf("heartbeat: master %s: %v", e.URL, e.Err)
	}
}

func (e *Error) Unwrap() error {
	if e.RPC != nil {
		return e.RPC
	}
	return e.Err
}

func (e *Error) hint() string {
	switch {
	case e.Status >= 300 && e.Status < 400:
		return fmt.Sprintf(" to %q (redirects are not followed; name the master's final address in --master)", plain.Cut(e.Location, 200))
	case e.Status == 404:
		return " (is --master an Autotest AFE?)"
	}
	return ""
}

// RPCError is the master's exception: the name of its Python class, its text and
// its traceback.
type RPCError struct {
	Name      string `json:"name"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
}

func (e *RPCError) Error() string {
	return fmt.Sprintf("%s: %s", plain.Line(e.Name, 60), plain.Line(e.Message, maxErrorMessage))
}
