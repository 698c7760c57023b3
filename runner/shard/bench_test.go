package shard_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

const largeResponse = "../lab/replay/testdata/wire/2019/large_first_heartbeat.response.json"

// BenchmarkApplyLarge stores the recorded first heartbeat of a large shard: 100 hosts, 1,000 jobs,
// 1,250 entries, 3,000 keyvals. The original client takes 38 s and 50,258 statements for it.
func BenchmarkApplyLarge(b *testing.B) {
	body, err := os.ReadFile(largeResponse)
	if err != nil {
		b.Fatal(err)
	}
	master := newMaster(b)
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	var apply, rpc float64
	for range b.N {
		b.StopTimer()
		client := newClient(b, pgtest.Pool(b), wire(b, master, afe.Protocol2019), options())
		b.StartTimer()
		beat := client.Beat(b.Context(), time.Now())
		if !beat.OK() || beat.ReceivedJobs != 1000 || beat.Quarantined != 0 {
			b.Fatalf("%+v", beat)
		}
		apply += beat.ApplyMS
		rpc += beat.RPCMS
	}
	b.ReportMetric(apply/float64(b.N), "apply-ms/op")
	b.ReportMetric(rpc/float64(b.N), "rpc-ms/op")
}

// BenchmarkUpload sends a full packet: 1,000 finished jobs with two entries each and control files
// of about 1.5 kB. Packing, sending and acknowledging are measured separately.
func BenchmarkUpload(b *testing.B) {
	pool, master := pgtest.Pool(b), newMaster(b)
	master.saysResult(result(nil, nil, nil))
	pgtest.Exec(b, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1)", ourShard)
	pgtest.Exec(b, pool, `INSERT INTO afe_jobs (id, owner, name, created_on, control_file)
		SELECT n, 'alice', 'job-' || n, '2019-03-15 10:20:31.123', repeat(E'job.run_test("dummy_Pass")\n', 55)
		FROM generate_series(1, 1000) AS n`)
	pgtest.Exec(b, pool, `INSERT INTO afe_host_queue_entries
			(id, job_id, status, complete, execution_subdir, started_on, finished_on)
		SELECT n, (n + 1) / 2, 'Completed', true, 'host' || n, '2019-03-15 10:21:31', '2019-03-15 11:21:31.5'
		FROM generate_series(1, 2000) AS n`)
	pgtest.Exec(b, pool, "VACUUM ANALYZE")
	client := newClient(b, pool, wire(b, master, afe.Protocol2019), options())
	var pack, rpc, ack float64
	for b.Loop() {
		b.StopTimer()
		pgtest.Exec(b, pool, "UPDATE afe_jobs SET shard_id = NULL")
		pgtest.Exec(b, pool, "DELETE FROM shard_client_packets") // or it would be no progress
		pgtest.Exec(b, pool, "VACUUM afe_jobs")
		b.StartTimer()
		beat := client.Beat(b.Context(), time.Now())
		if !beat.OK() || beat.UploadedJobs != 1000 || beat.UploadedEntries != 2000 {
			b.Fatalf("%+v", beat)
		}
		pack += beat.PackedMS
		rpc += beat.RPCMS
		ack += beat.AckMS
	}
	b.ReportMetric(pack/float64(b.N), "pack-ms/op")
	b.ReportMetric(rpc/float64(b.N), "rpc-ms/op")
	b.ReportMetric(ack/float64(b.N), "ack-ms/op")
}
