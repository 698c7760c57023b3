package main

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"shardclient/runner/pgtest"

	"github.com/jackc/pgx/v5/pgxpool"
)

// finish puts a finished job with two entries and some text into the database.
func finish(t testing.TB, pool *pgxpool.Pool, id int, text string) {
	t.Helper()
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (1, $1) ON CONFLICT DO NOTHING", ourShard)
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, control_file) VALUES ($1, '2019-03-15', $2)", id, text)
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete)
		SELECT $1::bigint * 10 + n, $1::bigint, 'Completed', true FROM generate_series(1, 2) AS n`, id)
}

const (
	uploadLimit = 3000
	hugeJob     = 3 // in the middle of the small ones
	smallJobs   = 8
)

// hugeAmongSmall is a backlog of small jobs around one that exceeds the limit.
func hugeAmongSmall(t testing.TB) (string, *pgxpool.Pool) {
	t.Helper()
	databaseURL, pool := database(t)
	for id := 1; id <= smallJobs+1; id++ {
		text := strings.Repeat("y", 300)
		if id == hugeJob {
			text = strings.Repeat("x", 20*uploadLimit)
		}
		finish(t, pool, id, text)
	}
	return databaseURL, pool
}

// uploadAll beats until only `left` jobs wait, each time with a new client, and returns how often
// each job was sent.
func uploadAll(t testing.TB, m *fakeMaster, pool *pgxpool.Pool, databaseURL string, left int) map[int64]int {
	t.Helper()
	for beats := 0; pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE shard_id IS NULL") > left; beats++ {
		if beats > 3*smallJobs {
			t.Fatalf("jobs still wait after %d beats", beats)
		}
		e := invoke(once(m, databaseURL, "--max-upload-bytes", strconv.Itoa(uploadLimit))...)
		if got := e.result(t); got.Outcome != "ok" && got.Failure != "http_status" {
			t.Fatalf("beat: %v", e)
		}
	}
	sent := map[int64]int{}
	for _, request := range m.received() {
		if len(request.body) > uploadLimit && len(request.Jobs) != 1 {
			t.Errorf("a body of %d bytes holds the jobs %v", len(request.body), request.jobs())
		}
		for _, id := range request.jobs() {
			sent[id]++
		}
	}
	return sent
}

func TestHugeJobGoesAlone(t *testing.T) {
	t.Parallel()
	databaseURL, pool := hugeAmongSmall(t)
	sent := uploadAll(t, master(t, answers(nothing)), pool, databaseURL, 0)
	for id := int64(1); id <= smallJobs+1; id++ {
		if sent[id] != 1 {
			t.Errorf("job %d went up %d times, want once", id, sent[id])
		}
	}
}

// A job that the master never takes does not block the others.
func TestRefusedHugeJobBlocksNobody(t *testing.T) {
	t.Parallel()
	databaseURL, pool := hugeAmongSmall(t)
	m := masterThat(t, func(_ int, body []byte) http.Handler {
		if bytes.Contains(body, []byte("xxxx")) {
			return page(http.StatusRequestEntityTooLarge, "too large")
		}
		return answers(nothing)
	})
	sent := uploadAll(t, m, pool, databaseURL, 1)
	for id := int64(1); id <= smallJobs+1; id++ {
		if id != hugeJob && sent[id] != 1 {
			t.Errorf("job %d went up %d times, want once", id, sent[id])
		}
	}
	if sent[hugeJob] == 0 {
		t.Error("the huge job never had its turn")
	}
	if !pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs WHERE id = $1", hugeJob) {
		t.Error("the huge job counts as uploaded")
	}
}

// A batch is bounded by jobs as well.
func TestMaxUploadJobs(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	for id := 1; id <= 3; id++ {
		finish(t, pool, id, "x")
	}
	m := master(t, answers(nothing))
	for _, want := range []int{2, 1, 0} {
		if got := invoke(once(m, databaseURL, "--max-upload-jobs=2")...).want(t, exitOK).result(t); got.UploadedJobs != want {
			t.Errorf("uploaded %d jobs, want %d", got.UploadedJobs, want)
		}
	}
}
