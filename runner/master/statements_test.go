package master_test

import (
	"fmt"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// A second look is made where somebody has committed in between, anywhere on the server: its
// statements are not counted.
func ofOneLook(ran []string) (n int) {
	for _, name := range ran {
		if name != "HostsToSend" && name != "JobsToSend" && name != "SetPlanCacheMode" {
			n++
		}
	}
	return n
}

func TestStatementsDoNotGrow(t *testing.T) {
	statements := func(n int) int {
		pool, ran := connect(t, pgtest.Database(t))
		loadShared(t, pool, 2*n)
		arguments := `{"shard_hostname": "one", "known_host_ids": [1], "known_host_statuses": ["Dead"], "jobs": [`
		entries := ""
		for i := 1; i <= n; i++ {
			arguments += fmt.Sprintf(`{"id": %d},`, i)
			entries += fmt.Sprintf(`{"id": %d, "status": "Completed", "complete": true},`, 2*i)
		}
		arguments = arguments[:len(arguments)-1] + `], "hqes": [` + entries[:len(entries)-1] + `]}`
		before := ofOneLook(ran.names())
		r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(arguments))
		if jobs := ids(t, r, "jobs"); len(jobs) != n {
			t.Errorf("%d jobs sent, want %d", len(jobs), n)
		}
		return ofOneLook(ran.names()) - before
	}
	small, large := statements(1), statements(500)
	t.Logf("%d statements", large)
	if small != large {
		t.Errorf("%d statements for 1 job, %d for 500", small, large)
	}
}
