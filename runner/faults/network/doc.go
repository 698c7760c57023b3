// Package network shows what becomes of a shard whose network is bad, and whose master answers what no master should: the
// real binary, the reference master and a real PostgreSQL, with toxiproxy between them.
//
// It holds tests only, and owns what they share: the proxy, and the order in which every fault is played.
package network
