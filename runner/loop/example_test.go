package loop_test

import (
	"context"
	"fmt"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/loop"
)

// Two packets are not enough for the backlog: the beats that leave some of it follow one another by
// the drain pause, not by the hour. The context ends while the loop waits for the pause.
func ExampleLoop_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	backlog := 2500
	l, err := loop.New(loop.Options{
		Pause: time.Hour,
		Drain: time.Millisecond,
		Beat: func(context.Context) beat.Report {
			report := beat.Report{Outcome: beat.OutcomeOK, Pending: backlog, UploadedJobs: min(backlog, 1000)}
			backlog -= report.UploadedJobs
			report.Soon = backlog > 0
			fmt.Println("uploaded", report.UploadedJobs, "left", report.StillPending())
			if !report.Soon {
				stop()
			}
			return report
		},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Run(ctx))
	// Output:
	// uploaded 1000 left 1500
	// uploaded 1000 left 500
	// uploaded 500 left 0
	// <nil>
}
