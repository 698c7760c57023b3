package afe

import (
	"cmp"
	"fmt"

	"shardclient/runner/plain"
)

// Class names the kind of a heartbeat's failure. Log, history and metrics give it as "failure", and
// the documents for operators say what to do about each.
type Class string

const (
	// Transport: no answer came, or it broke off.
	Transport Class = "transport"
	// Deadline: the beat's time, or the time granted by a shutdown, ran out.
	Deadline Class = "deadline"
	// HTTPStatus: an answer that is not 200. The original master gives 500, with a page of HTML, to
	// a body that it cannot read.
	HTTPStatus Class = "http_status"
	// Undecodable: 200, but not with a JSON-RPC answer.
	Undecodable Class = "undecodable"
	// Incomplete: a result with a section that is missing or not a list. The other sections count,
	// and so does the upload, because there is a result. Only [Response].Incomplete has this class.
	Incomplete Class = "incomplete"
	// TooLarge: an answer longer than [Options].MaxResponseBytes; it was not read to its end.
	TooLarge Class = "too_large"
	// Spool: the answer could not be kept on disk while it was read.
	Spool Class = "spool"
	// RPC: the master raised an exception, which [Error].RPC names.
	RPC Class = "rpc_error"
	// Internal: a fault of shard-client itself, such as a packet that cannot be encoded. It says
	// nothing about the master, and nothing was sent.
	Internal Class = "internal"
)

// Classes returns every class. Each has its series in the metrics before it first occurs.
func Classes() []Class {
	return []Class{Transport, Deadline, HTTPStatus, Undecodable, Incomplete, TooLarge, Spool, RPC, Internal}
}

// An error repeats no more than this many bytes of an answer: the master's error text can hold the
// whole packet.
const (
	maxErrorBody    = 512
	maxErrorMessage = 1000
	maxLocation     = 200
)

// Error says why a heartbeat brought no result, or, with class [Incomplete], only part of one.
type Error struct {
	Class Class
	// URL is the address that was called, without credentials.
	URL string
	// Tries counts the requests that were made.
	Tries int
	// Status is that of the answer, for class HTTPStatus.
	Status int
	// Location is where a redirect points; it is not followed.
	Location string
	// Body is the first 512 bytes of the answer, for classes HTTPStatus and Undecodable.
	Body string
	// RPC is the master's exception, for class RPC.
	RPC *RPCError
	// Err is the cause, where there is one.
	Err error
	// Unsure reports whether the master may have stored the packet, or may do so later. A JSON-RPC
	// error to the only request of a beat is a clear answer, and so is a fault of our own before
	// any request; nothing else is.
	Unsure bool
	// Sent is the size of the request's body, in bytes; 0: there was none.
	Sent int64
}

// Error returns one line for the operator: what was done to which master, and what came of it. What
// to do is said by package hint.
func (e *Error) Error() string {
	master := "heartbeat: master " + e.URL
	if e.Tries > 1 {
		master += fmt.Sprintf(" (tried %d times)", e.Tries)
	}
	switch e.Class {
	case RPC:
		return fmt.Sprintf("%s refused it: %v", master, e.RPC)
	case HTTPStatus:
		return fmt.Sprintf("%s answered HTTP %d%s: %s", master, e.Status, e.redirect(), e.body())
	case Undecodable:
		return fmt.Sprintf("heartbeat: answer of master %s is not JSON-RPC: %v: %s", e.URL, e.Err, e.body())
	case Internal:
		return fmt.Sprintf("heartbeat: nothing was sent to master %s: %v; "+
			"this is a fault of shard-client itself, please report it", e.URL, e.Err)
	case Deadline:
		return fmt.Sprintf("%s gave no answer in time: %v", master, e.Err)
	default:
		return fmt.Sprintf("%s: %v", master, e.Err)
	}
}

// Unwrap returns the master's exception, or else the cause.
func (e *Error) Unwrap() error {
	if e.RPC != nil {
		return e.RPC
	}
	return e.Err
}

// Foreign returns the parts of the error's text that somebody else wrote: the master, or a proxy
// before it. They may repeat what was sent.
func (e *Error) Foreign() []string {
	parts := []string{e.body(), plain.Cut(e.Location, maxLocation)}
	if e.Class == Undecodable && e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return parts
}

func (e *Error) body() string { return cmp.Or(plain.Line(e.Body, maxErrorBody), "(empty)") }

func (e *Error) redirect() string {
	if e.Status < 300 || e.Status >= 400 {
		return ""
	}
	return fmt.Sprintf(" to %q (redirects are not followed)", plain.Cut(e.Location, maxLocation))
}

// RPCError is an exception that the master raised, as it came: the name of the Python class, the
// text and the traceback. [RPCError.Subject] finds the record that the text names.
type RPCError struct {
	Name      string `json:"name"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
}

// Error returns name and message in one line, cut to about a thousand bytes.
func (e *RPCError) Error() string {
	return fmt.Sprintf("%s: %s", plain.Line(e.Name, 60), plain.Line(e.Message, maxErrorMessage))
}

// Foreign returns the whole text: it is the master's, or that of what answered in its place.
func (e *RPCError) Foreign() []string { return []string{e.Error()} }
