// Package ops owns what operators see of a running shard-client: its log, its metrics and its health.
//
// It must not know how a beat is made: facts are passed in, and the package imports no other of ours.
//
// Conventions of the log: a constant message names the event ("beat done"), attributes carry the facts, and a unit
// stands in the key (rpc_ms, body_bytes): a time.Duration is a bare number of nanoseconds in JSON. Lists are
// logged as their length. Passwords never reach a line.
package ops
