package shard_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// Besides its result a beat reports the backlog that it found, its limits, and how much is set
// aside in all, its own objects included.
func TestBeatTellsBacklogAndQuarantine(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.MaxUploadJobs, o.MaxUploadBytes = 2, 1<<20
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	for id := 1; id <= 5; id++ {
		finish(t, pool, id, "x")
	}
	pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine
			(direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
		VALUES
			('out', 'job', 901, 'refused', '', '', 0, ''),
			('out', 'job', 902, 'waiting_for_host', '', '', 0, ''),
			('in', 'job', 8, 'malformed', '', '', 0, '')`)
	master.saysResult(result(nil, []string{job(6, entry(61, `"host_id": 99`)), job(7)}, nil))
	for _, pending := range []int{5, 3, 1, 0} {
		b := mustBeat(t, client)
		if b.Pending != pending || b.Batch != (beat.Batch{Jobs: 2, Bytes: 1 << 20}) {
			t.Errorf("%d jobs pending, batch %+v; want %d, 2 and %d", b.Pending, b.Batch, pending, 1<<20)
		}
		want := &beat.Quarantine{In: 2, Out: 2, WaitingForHost: 1}
		if diff := cmp.Diff(want, b.Quarantine); diff != "" {
			t.Errorf("quarantine (-want +got):\n%s", diff)
		}
	}

	// A beat that cannot count must not report that nothing is set aside.
	pgtest.Exec(t, pool, "ALTER TABLE shard_client_quarantine RENAME TO elsewhere")
	master.saysResult(result(nil, nil, nil))
	if b := client.Beat(t.Context(), time.Now()); b.Quarantine != nil {
		t.Errorf("it counted %+v in a table that is gone", b.Quarantine)
	}
}
