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
// A [Response] has what the master sent, as sections that are read object by object (package
// objects). An object that cannot be used carries the reason and harms no other (promise P6).
//
// # The failure
//
// The [Class] of an [*Error] says what happened, for logs and metrics. [Judge] says what it means
// for the next packet, and [Clear] whether the packet can still be stored. Where the master raised
// an exception, [RPCError.Subject] finds the record that its message names.
package afe

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
