package faults_test

import (
	"fmt"
	"net/http"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

// A master that is away for one heartbeat costs the shard nothing but that heartbeat.
func ExampleLab() {
	var t pgtest.Example
	defer t.Close()
	lab := faults.NewLab(&t, faults.Options{})
	shard := lab.Shards[0]
	lab.CreateJobs(shard, 3)

	lab.Between(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the master is away", http.StatusServiceUnavailable)
		})
	})
	fmt.Println("exit code without a master:", lab.Start(shard, "once").End())

	lab.Between(nil)
	fmt.Println("exit code with a master:", lab.Start(shard, "once").End())
	lab.Work(shard)
	fmt.Println("exit code of the upload:", lab.Start(shard, "once").End())
	lab.Agree(3)
	fmt.Println("complete on both sides:", lab.Compare().Complete)
	// Output:
	// exit code without a master: 1
	// exit code with a master: 0
	// exit code of the upload: 0
	// complete on both sides: 3
}
