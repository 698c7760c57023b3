package operator_test

import (
	"slices"
	"testing"
	"time"

	"shardclient/runner/operator"
	"shardclient/runner/pgtest"
)

// Only jobs with an open entry count, each once, and their age is by the clock on the wall,
// whatever zone the session is in.
func TestOpenJobAges(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	zone := time.FixedZone("PDT", -7*3600)
	now := time.Date(2019, 3, 15, 11, 30, 0, 0, zone)
	job := func(id int, created string, complete ...bool) {
		pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, owner, name, created_on) VALUES ($1, 'o', 'n', $2::text::timestamp)", id, created)
		for _, c := range complete {
			pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (job_id, status, complete) VALUES ($1, 'Queued', $2)", id, c)
		}
	}
	none, err := operator.OpenJobAges(t.Context(), pool, []float64{60, 3600}, now)
	if err != nil || !slices.Equal(none.Buckets, []uint64{0, 0, 0}) || none.Oldest != 0 {
		t.Errorf("%+v, %v; want nothing", none, err)
	}
	job(1, "2019-03-15T11:29:30", false, false) // 30 s
	job(2, "2019-03-15T11:00:00", true, false)  // 1800 s
	job(3, "2019-03-13T11:30:00", false)        // 172800 s
	job(4, "2019-03-15T11:31:00", false)        // in the future, as a clock that goes wrong has it
	job(5, "2010-03-15T11:30:00", true)         // finished
	got, err := operator.OpenJobAges(t.Context(), pool, []float64{60, 3600}, now)
	if err != nil || !slices.Equal(got.Buckets, []uint64{2, 1, 1}) || got.Seconds != 30+1800+172800 || got.Oldest != 172800 {
		t.Errorf("%+v, %v", got, err)
	}
}
