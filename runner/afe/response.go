package afe

import (
	"shardclient/runner/answer"
	"shardclient/runner/objects"
)

// Response is the result of a heartbeat. Every object stands by itself: one that cannot be
// understood carries the reason and harms no other (P6). The text of the answer is kept until
// [Response.Close].
type Response struct {
	// Protocol is the version of the packet that was answered.
	Protocol Protocol
	// Sure reports whether this is the only request of the beat that reached, or may yet reach, the
	// master. After a retry an earlier copy may still wait in the master's queue and be stored late
	// (docs/promises.md, "late request").
	Sure bool
	// Sent is the size of the request's body, and Size that of the answer as it came, in bytes.
	Sent, Size int64

	// Hosts, Jobs and SuiteKeyvals are the objects that the master sent, good and bad.
	Hosts        Section[objects.Host]
	Jobs         Section[objects.Job]
	SuiteKeyvals Section[objects.Keyval]
	// IncorrectHosts are the ids of known hosts that do not belong to this shard any more; 2019
	// only.
	IncorrectHosts Section[int64]
	// Malformed are sections that do not follow the protocol. The others count all the same.
	Malformed []Malformed
	// Incomplete is an [*Error] that says which section was missing or not a list; nil: none was.
	Incomplete error

	answer *answer.Answer // nil: an empty response that was made by hand
}

// Malformed is a part of a response that does not follow the protocol.
type Malformed struct {
	Section string // such as "hosts"
	Place   Place
	Err     error // the reason
}
