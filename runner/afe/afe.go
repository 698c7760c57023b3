// Package afe is the wire between a shard and its Autotest master (AFE): the JSON-RPC call
// shard_heartbeat, in the two versions of the protocol that masters speak. It knows nothing of
// databases, nor of what the shard does with an answer. docs/protocol.md has the facts.
//
// # The call
//
// [NewClient] takes the options of a master. [Client.Heartbeat] sends one [Packet], again where a
// second try may help, and returns a [Response] or an [*Error].
//
// # The answer
//
// A [Response] lists what the master sent, each object as a [Received]: as it came and as it was
// understood. An object that cannot be used carries the reason and harms no other (promise P6). A
// field that the master may leave out is a [Maybe].
//
// # The failure
//
// The [Class] of an [*Error] says what happened, for logs and metrics. [Judge] says what it means
// for the next packet, and [Clear] whether the packet can still be stored. Where the master raised
// an exception, [RPCError.Subject] finds the record that its message names.
package afe

import (
	"fmt"
	"time"

	"shardclient/runner/plain"
)

// Protocol is a version of the heartbeat's arguments and result.
type Protocol string

const (
	// Protocol2015 has neither the statuses of known hosts nor incorrect hosts.
	Protocol2015 Protocol = "2015"
	// Protocol2019 adds known_host_statuses, incorrect_host_ids and the host_id of uploaded
	// entries.
	Protocol2019 Protocol = "2019"
	// ProtocolAuto starts with 2019 and changes to the version that the master turns out to speak.
	ProtocolAuto Protocol = "auto"
)

// ParseTime reads a time as the master writes it, without a zone, such as 2019-03-15T11:30:15.25.
// PostgreSQL keeps microseconds; finer digits are cut off, because rounding could lead into another
// second. The error quotes the text.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		// Go accepts a fraction after the seconds of a layout that has none.
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 { // Python has no year 0
			return t.Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("want a time without zone like 2019-03-15T11:30:15, got %s", plain.Quote(s))
}
