// Package process tests a shard whose client or PostgreSQL dies at any single step of a beat: by
// signals, by broken connections, by a server that crashes.
//
// It holds only tests, and owns what they share: a shard with at least one of everything, and what
// must hold whenever its client is gone. The tests reach the steps through the wires of the real
// program, with a faults.Gate; the program knows nothing of that.
package process
