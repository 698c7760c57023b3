package ops_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/ops"
)

// A line is redacted before it is cut, and has its unit in the key.
func ExampleNewLogger() {
	log, file, err := ops.NewLogger(ops.LogOptions{
		Writer: os.Stdout,
		Level:  slog.LevelInfo,
		Redact: func(text string) string {
			if text == "hunter2" {
				return "xxxxx"
			}
			return text
		},
		Now: func() time.Time { return time.Date(2019, 3, 15, 11, 30, 15, 0, time.UTC) },
	})
	if err != nil {
		panic(err)
	}
	log.Info("heartbeat", "rpc_ms", 41.25, "password", "hunter2")
	log.Debug("not shown at this level")
	fmt.Println(file.Close())
	// Output:
	// time=2019-03-15T11:30:15.000Z level=INFO msg=heartbeat rpc_ms=41.25 password=xxxxx
	// <nil>
}

// With the default settings a client may do the same thing for 40 minutes: a failed beat is no sign
// that it hangs.
func ExampleHealth() {
	limit := ops.HangsAfter(time.Minute, time.Minute, 35*time.Minute)
	health, err := ops.NewHealth(limit)
	if err != nil {
		panic(err)
	}
	health.Doing("beat")
	health.Observe(&beat.Report{Outcome: beat.OutcomeFailed, Failure: "transport"})

	answer := httptest.NewRecorder()
	health.ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
	fmt.Println(limit, answer.Code)
	// Output: 40m0s 200
}
