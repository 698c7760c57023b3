package beat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shardclient/runner/beat"
)

// The JSON of a report, as `once --output json` prints it and the history keeps it.
func ExampleReport() {
	report := beat.Report{
		Outcome:       beat.OutcomeOK,
		PackedMS:      2.5,
		RPCMS:         41.25,
		ReceivedHosts: 3,
		Protocol:      "2019",
	}
	body, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		panic(err)
	}
	fmt.Println(string(body))
	// Output:
	// {
	//   "outcome": "ok",
	//   "failure": "",
	//   "error": "",
	//   "packed_ms": 2.5,
	//   "rpc_ms": 41.25,
	//   "ack_ms": 0,
	//   "apply_ms": 0,
	//   "known_jobs": 0,
	//   "known_hosts": 0,
	//   "uploaded_jobs": 0,
	//   "uploaded_entries": 0,
	//   "received_hosts": 3,
	//   "received_jobs": 0,
	//   "received_keyvals": 0,
	//   "quarantined": 0
	// }
}

func ExampleReport_Summary() {
	report := beat.Report{
		Outcome:         beat.OutcomeOK,
		PackedMS:        2.5,
		RPCMS:           41.25,
		KnownJobs:       12,
		UploadedJobs:    1,
		UploadedEntries: 2,
	}
	fmt.Println(report.Summary())

	report.Fail(errors.New("connection refused"), beat.FailureDatabase, "connect to shard-db: connection refused")
	fmt.Println(report.Summary())
	// Output:
	// heartbeat ok: knew 12 jobs and 0 hosts, uploaded 1 job with 2 entries, received 0 hosts, 0 jobs and 0 keyvals, set aside 0
	// pack 2.5 ms, rpc 41.2 ms, acknowledge 0.0 ms, apply 0.0 ms
	// heartbeat failed (database): connect to shard-db: connection refused
}

// The master needs longer than it may for 600 jobs, so the next packet holds 300. An answer within
// a quarter of the deadline doubles that again, up to the limit of the settings.
func ExampleBatch() {
	limit := beat.Batch{Jobs: 1000, Bytes: 16 << 20}
	batch := limit.Halved(beat.Batch{Jobs: 600, Bytes: 3 << 20})
	fmt.Println(batch)
	for range 2 {
		batch = batch.Grown(batch, limit, 10*time.Second, time.Minute)
		fmt.Println(batch)
	}
	// Output:
	// {300 1572864}
	// {600 3145728}
	// {1000 6291456}
}
