// Package process shows what becomes of a shard whose client or whose PostgreSQL dies: at every single step of a beat,
// by signals, by broken connections, by a server that crashes.
//
// It holds tests only, and owns what they share: a shard with something of everything, and what must hold whenever its
// client is gone. The steps are reached through the wires of the real program (faults.Gate), which knows nothing of them.
package process
