package shard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

const oneHostAndOneJob = `{"error": null, "id": "jsonrpc", "result": {
	"hosts": [{"id": 1, "hostname": "host1", "status": "Ready", "leased": false,
		"labels": [], "aclgroup_set": [], "hostattribute_set": [],
		"shard": {"id": 1, "hostname": "shard1.example"}}],
	"jobs": [{"id": 7, "owner": "alice", "name": "dummy", "created_on": "2019-03-15T10:20:31",
		"hostqueueentry_set": [{"id": 70, "status": "Queued", "host_id": 1}],
		"dependency_labels": [], "jobkeyval_set": [],
		"shard": {"id": 1, "hostname": "shard1.example"}}],
	"suite_keyvals": [], "incorrect_host_ids": []}}`

// Two beats with a master that always sends the same host and job. The second beat lists both as
// known.
func ExampleClient_Beat() {
	var t pgtest.Example
	defer t.Close()
	ctx := context.Background()

	master := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, oneHostAndOneJob)
	}))
	defer master.Close()
	address, err := url.Parse(master.URL)
	if err != nil {
		panic(err)
	}
	wire, err := afe.NewClient(afe.Options{
		Master:           address,
		User:             "chromeos-test",
		Protocol:         afe.Protocol2019,
		Timeout:          time.Minute,
		MaxResponseBytes: 1 << 20,
		UserAgent:        "example",
	})
	if err != nil {
		panic(err)
	}
	defer wire.Close()

	client, err := shard.NewClient(pgtest.Pool(&t), wire, shard.Options{
		ShardHostname:  "shard1.example",
		Who:            "example",
		RPCTimeout:     time.Minute,
		StopTimeout:    time.Second,
		LockTimeout:    500 * time.Millisecond,
		MaxUploadJobs:  100,
		MaxUploadBytes: 1 << 20,
		ApplyChunk:     500,
		HistoryKeep:    1000,
		QuarantineKeep: 1000,
	})
	if err != nil {
		panic(err)
	}
	defer client.Close(ctx)

	for range 2 {
		report := client.Beat(ctx, time.Now())
		fmt.Println(report.Outcome)
		fmt.Println("  told the master of", report.KnownHosts, "hosts and", report.KnownJobs, "jobs")
		fmt.Println("  received", report.ReceivedHosts, "hosts and", report.ReceivedJobs, "jobs")
	}
	// Output:
	// ok
	//   told the master of 0 hosts and 0 jobs
	//   received 1 hosts and 1 jobs
	// ok
	//   told the master of 1 hosts and 1 jobs
	//   received 1 hosts and 1 jobs
}
