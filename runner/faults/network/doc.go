// Package network tests a shard whose network is bad, or whose master gives answers that a master
// should never give: the real binary, the reference master and a real PostgreSQL, with toxiproxy
// between them.
//
// It holds only tests, and owns what they share: the proxy, and the sequence in which each fault is
// played.
package network
