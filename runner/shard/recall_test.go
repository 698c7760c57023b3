package shard_test

import (
	"net/http"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// A new process knows what the beats before it left: in the history, in the quarantine, and as jobs
// that wait.
func TestRecall(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	c := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	if past, err := c.Recall(t.Context()); err != nil || !past.LastSuccess.IsZero() || !past.LastBeat().IsZero() || past.Failures != 0 ||
		past.Batch != (beat.Batch{Jobs: 1000, Bytes: 16 << 20}) {
		t.Errorf("without a history: %+v, %v", past, err)
	}
	began := time.Now().Add(-time.Second)
	master.saysResult(result([]string{host(1, "h1"), `{"id": 2}`}, goodJobs(2), nil))
	mustBeat(t, c)
	success := time.Now()
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true, status = 'Completed'")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	for range 2 {
		c.Beat(t.Context(), time.Now())
	}
	again := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	past, err := again.Recall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(time.Second)
	switch {
	case past.LastSuccess.Before(began) || past.LastSuccess.After(success.Add(time.Second)):
		t.Errorf("last success at %s, want between %s and %s", past.LastSuccess, began, success)
	case past.LastFailure.Before(past.LastSuccess) || past.LastFailure.After(late) || past.LastBeat() != past.LastFailure:
		t.Errorf("last failure at %s, last beat at %s", past.LastFailure, past.LastBeat())
	case past.Failure != "http_status" || past.Failures != 2 || past.Pending != 2 || past.Quarantine.In != 1 || past.KnownJobs != 2:
		t.Errorf("%+v, want two failures, two jobs that wait and one object set aside", past)
	}
}
