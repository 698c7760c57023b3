// Package failover shows what becomes of a shard whose database is a pair of servers: the real binary, a real primary, a
// real streaming standby and the reference master.
//
// It holds tests only, and owns what they share: the pair, the scheduler of the shard, the check that both sides agree.
// What a promotion costs is PostgreSQL's matter; here it is only that shard-client goes on and loses nothing of its own.
package failover
