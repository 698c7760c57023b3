package shard_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// The size of the batch is kept in the history, not in the process: otherwise `once` run by cron
// would begin anew each time.
func TestBatchSurvivesTheProcess(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	for id := 1; id <= 40; id++ {
		finish(t, pool, id, "x")
	}
	var sizes []int
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var call struct {
			Params []struct {
				Jobs []json.RawMessage `json:"jobs"`
			} `json:"params"`
		}
		if err := json.Unmarshal(master.last(t), &call); err != nil {
			t.Error(err)
		}
		n := len(call.Params[0].Jobs)
		if sizes = append(sizes, n); n > 10 { // as a proxy does when a body exceeds its limit
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = w.Write([]byte(`{"result": ` + result(nil, nil, nil) + `, "error": null}`))
	}))
	for range 6 {
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
		client.Beat(t.Context(), time.Now())
		client.Close(t.Context())
	}
	if want := []int{40, 20, 10, 20, 10, 20}; !slices.Equal(sizes, want) {
		t.Errorf("uploads of %d jobs, want %d", sizes, want)
	}
}
