package shard_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// The original client serves the shard for a while, ours comes back, and a completion comes without
// a NULL: at any time, it reaches the master (P1), and nothing is uploaded for ever.
func TestP1P11WhoeverServedInBetween(t *testing.T) {
	t.Parallel()
	const (
		comes = `INSERT INTO afe_jobs (id, created_on, shard_id) VALUES (10, '2019-03-15', 1);
			INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (100, 10, 'Running'), (101, 10, 'Running')`
		first        = "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE id = 100"
		second       = "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE id = 101"
		null         = "UPDATE afe_jobs SET shard_id = NULL WHERE id = 10"
		acknowledges = "UPDATE afe_jobs SET shard_id = 1 WHERE id = 10 AND shard_id IS NULL"
		ours         = "ours beats"
		away         = "ours ends"
	)
	for name, steps := range map[string][]string{
		"completes when ours is back":      {ours, away, comes, first, null, acknowledges, ours, second, ours},
		"completes before ours is back":    {ours, away, comes, first, null, acknowledges, second, ours},
		"completes while the other pauses": {ours, away, comes, null, first, acknowledges, second, ours},
		"was known to ours before":         {ours, comes, ours, away, first, null, acknowledges, second, ours},
		"was uploaded by ours before":      {comes, first, null, ours, away, null, acknowledges, second, ours},
		"came as acknowledged":             {comes, first, ours, second, ours},
		"both serve at once":               {comes, ours, first, null, acknowledges, ours, second, ours},
		"the other writes over the NULL":   {comes, ours, away, first, null, second, acknowledges, ours},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(result(nil, nil, nil))
			pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1)", ourShard)
			ofAnother := 0
			for _, step := range steps {
				switch step {
				case ours:
					ofAnother += mustBeat(t, client).OfAnother
				case away:
					client.Close(t.Context())
				default:
					script(t, pool, step)
				}
			}
			// P11: it does not stay silent. Of a job that was put here as acknowledged nothing is
			// known.
			if want := min(1, count(steps, acknowledges)); ofAnother != want {
				t.Errorf("%d jobs of another client, want %d", ofAnother, want)
			}
			if sent := lastSent(t, master); !slices.Contains(sent.complete(), 101) {
				t.Errorf("the last beat uploaded %+v; want entry 101 as complete", sent)
			}
			for range 3 {
				mustBeat(t, client)
				if jobs := lastSent(t, master).jobs(); len(jobs) != 0 {
					t.Errorf("uploaded again: %d", jobs)
				}
			}
			if n := pgtest.Query[int](t, pool, "SELECT count(*) FROM shard_client_uploads"); n != 0 {
				t.Errorf("%d rows stay in the ledger", n)
			}
		})
	}
}

// script runs several statements.
func script(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, simple); err != nil {
		t.Fatal(err)
	}
}

func count(steps []string, step string) (n int) {
	for _, s := range steps {
		if s == step {
			n++
		}
	}
	return n
}
