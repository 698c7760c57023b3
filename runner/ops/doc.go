// Package ops owns what operators see of a running shard-client: its log, its metrics and its
// health. It knows what a beat was (package beat) and nothing of how one is made.
//
// # The log
//
// [NewLogger] returns a logger whose lines are short, whatever is logged, and hold no secret. With
// a directory, each start also has a log file of its own; full files are rotated and old ones
// removed. With a patience, a reader or a disk that is stuck costs lines and holds nobody; what is
// lost is counted and told.
//
// Conventions: a constant message names the event ("heartbeat"), attributes carry the facts, and
// the unit stands in the key (rpc_ms, body_bytes), because in JSON a time.Duration is a bare number
// of nanoseconds. A list is logged as its length.
//
// # Metrics and health
//
// [Metrics] and [Health] each observe every [beat.Report]. [ServeAt] shows them at /metrics and
// /healthz, to everyone who can reach the address: so neither shows the text of an error.
package ops
