package shard_test

import (
	"context"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// slowMaster takes what it is sent, in its own time; what is larger than it can store within the
// deadline gets no answer.
type slowMaster struct {
	nobody
	most    int // records
	packets []int
}

func (m *slowMaster) Protocol() afe.Protocol { return afe.Protocol2019 }

func (m *slowMaster) Heartbeat(_ context.Context, p *afe.Packet) (*afe.Response, error) {
	m.packets = append(m.packets, len(p.Jobs))
	if len(p.Jobs) > m.most {
		return nil, &afe.Error{Class: afe.Deadline, Unsure: true, Err: context.DeadlineExceeded}
	}
	return &afe.Response{Protocol: afe.Protocol2019, Sure: true}, nil
}

// The backlog of docs/promises.md, "growing uploads", with ids as large as those of a real lab: the
// ids of the jobs that wait take no room from the records, however small the batch has become, and
// the backlog goes up in few packets.
func TestABacklogGoesUpInFewPackets(t *testing.T) {
	t.Parallel()
	const jobs = 7000 // their ids are longer than the smallest batch
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1)", ourShard)
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, control_file, created_on)
		SELECT 310000000 + n, 'chromeos-test', 'board-release/R70-11000.0.0/bvt/test_' || n, '', '2018-11-01' FROM generate_series(1, $1) AS n`, jobs)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete, aborted)
		SELECT 320000000 + n, 310000000 + n, 'Aborted', true, true FROM generate_series(1, $1) AS n`, jobs)
	for most, want := range map[int]int{100: 50, 1 << 20: 80} {
		pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
		pgtest.Exec(t, pool, "DELETE FROM shard_client_heartbeats")
		o := options()
		o.RPCTimeout = time.Nanosecond // so each answer is a slow one, after which no batch grows
		master := &slowMaster{most: most}
		client := newClient(t, pool, master, o)
		// An outage before: the batch is as small as it gets.
		pgtest.Exec(t, pool, `INSERT INTO shard_client_heartbeats (started_at, epoch, protocol, outcome, failure, error, packed_ms, rpc_ms,
			ack_ms, apply_ms, known_jobs, known_hosts, uploaded_jobs, uploaded_entries, received_hosts, received_jobs, received_keyvals,
			quarantined, large_waiting, batch_jobs, batch_bytes) VALUES (now(), 1, '2019', 'failed', 'deadline', '', 0, 0, 0, 0, 0, 0, 0,
			0, 0, 0, 0, 0, false, 1000, $1)`, 64<<10)
		var last beat.Report
		for range 4 {
			last = client.Beat(t.Context(), time.Now())
		}
		t.Logf("packets of %d jobs", master.packets)
		for _, n := range master.packets[2:] {
			if n < want || n > 200 {
				t.Errorf("packets of %d jobs, want each with %d to 200", master.packets, want)
				break
			}
		}
		if !last.OK() || !last.Soon {
			t.Errorf("the last beat: %s, soon %t", last.Error, last.Soon)
		}
		client.Close(t.Context())
	}
}
