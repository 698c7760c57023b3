package shard_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"shardclient/runner/afe"
)

// tooLarge answers as a proxy before the master does when a body exceeds its limit.
func tooLarge(w http.ResponseWriter) bool {
	http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	return true
}

// The size of the batch is kept in the history, not in the process: otherwise `once` run by cron
// would begin anew each time.
func TestBatchSurvivesTheProcess(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 40)
	var sizes []int
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		sizes = append(sizes, len(p.Jobs))
		return len(p.Jobs) > 10 && tooLarge(w)
	}
	for range 6 {
		r.client.Beat(t.Context(), time.Now())
		r.client.Close(t.Context())
		r.client = newClient(t, r.shard, r.wire, options())
	}
	if want := []int{40, 20, 10, 20, 10, 20}; !slices.Equal(sizes, want) {
		t.Errorf("uploads of %d jobs, want %d", sizes, want)
	}
}

// A job that even alone is too large for the master is set aside like one that is refused; the
// others arrive.
func TestP6JobThatIsTooLargeEvenAlone(t *testing.T) {
	r := newRefusing(t, afe.Protocol2019, 6)
	r.answer = func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
		return p.hasJob(3) && tooLarge(w)
	}
	r.beats(t, 40)
	if got := r.aside(t); got != "job 3" || r.open(t) != 1 {
		t.Errorf("set aside %q, %d entries open on the master; want job 3 alone", got, r.open(t))
	}
}
