package shard_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

const largeResponse = "../lab/testdata/wire/2019/large_first_heartbeat.response.json"

// BenchmarkApplyLarge stores the recorded first heartbeat of a large shard: 100
// hosts, 1,000 jobs, 1,250 entries, 3,000 keyvals. The original client takes 38 s
// and 50,258 statements for it.
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
