// Package failover tests a shard whose database is a pair of servers: the real binary with a real
// primary, a real streaming standby and the reference master.
//
// It holds only tests, and owns what they share: the pair, the scheduler of the shard, the check
// that both sides agree. What PostgreSQL loses in a promotion is not tested here, only that
// shard-client goes on and loses nothing more.
package failover
