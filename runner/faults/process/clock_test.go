package process_test

import (
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

// The database's clock jumps by a day, which leaves every time of the client's own a day in the
// past or in the future: nothing is stuck, nothing is lost.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	r := newRich(t)
	for name, jump := range map[string]string{"forward": "-1 day", "back": "1 day"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := r.Clone(t)
			s, gate, truth := l.Shards[0], l.Gate(l.Shards[0]), localTruth(t, l)
			// The answer is lost: the packet with the half of a pair may still be stored.
			gate.Strike(faults.Once(faults.StepHeartbeat, faults.After, func() faults.Verdict { return faults.Cut }))
			client := l.Start(s, "once", "--rpc-timeout=1s", "--database-url="+gate.DatabaseURL())
			client.End()
			if n := pgtest.Query[int](t, s.DB, "SELECT count(*) FROM shard_client_packets WHERE unsure_since IS NOT NULL"); n != 1 {
				t.Fatalf("%d uncertain uploads, want one", n)
			}
			pgtest.Exec(t, s.DB, `UPDATE shard_client_packets SET unsure_since = unsure_since + $1::text::interval`, jump)
			pgtest.Exec(t, s.DB, `UPDATE shard_client_heartbeats SET started_at = started_at + $1::text::interval`, jump)
			pgtest.Exec(t, s.DB, `UPDATE shard_client_owner SET since = since + $1::text::interval`, jump)
			holds(t, l, truth)
			l.Between(nil)
			// Without ForgetUnsure: what is complete reaches the master whatever the mark says.
			undisturbed := newClient(t, l)
			beat(t, undisturbed)
			pgtest.Exec(t, s.DB, `ALTER TABLE afe_jobs DROP CONSTRAINT poison`)
			beat(t, undisturbed)
			finish(t, s)
			pgtest.Exec(t, s.DB, `UPDATE shard_client_uploads SET unsure_since = now() + $1::text::interval`, jump)
			// The scheduler left the NULL out for the pair: only the ledger knows that its second
			// half is to be sent.
			pgtest.Exec(t, s.DB, `UPDATE afe_jobs SET shard_id = (SELECT shard_id FROM afe_jobs WHERE shard_id IS NOT NULL LIMIT 1) WHERE name = 'pair'`)
			beat(t, undisturbed)
			beat(t, undisturbed)
			l.Agree(r.complete)
		})
	}
}
