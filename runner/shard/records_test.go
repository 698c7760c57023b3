package shard_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// texts are what a text may hold, and timestamps what a time may be.
var (
	texts = []string{
		"NULL", "''", `'"quoted" \ / <&>'`, `E'line\nnext\ttab\rreturn\ffeed\bback'`, `E'\x01\x1f\x7f'`, "'naïve'", `E'\u2028 \U0001F600'`, "repeat('x', 5000)",
	}
	timestamps = []string{
		"NULL", "'2019-03-15 10:20:31'", "'2019-03-15 10:20:31.5'", "'2019-03-15 10:20:31.123456'", "'2019-03-15 10:20:31.0004'",
		"'infinity'", "'-infinity'", "'0044-03-15 BC'", "'0001-01-01'", "'12019-03-15'",
	}
)

// The client makes of a row what the views of the upload make of it: the quarantine shows that, and
// tells by it whether a record that was set aside has changed since.
func TestRecordsAreWhatTheViewsSay(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	const number = 2147483647
	job := 0
	add := func(columns string, values ...any) {
		job++
		pgtest.Exec(t, pool, fmt.Sprintf("INSERT INTO afe_jobs (id, created_on) VALUES (%d, now())", job))
		entry := "INSERT INTO afe_host_queue_entries (id, job_id, complete) VALUES (%d, %d, true)"
		pgtest.Exec(t, pool, fmt.Sprintf(entry, 10*job, job))
		pgtest.Exec(t, pool, fmt.Sprintf(entry, 10*job+1, job))
		pgtest.Exec(t, pool, fmt.Sprintf(columns, values...))
	}
	for _, text := range texts {
		for _, column := range []string{"owner", "name", "control_file", "email_list"} {
			if text != "NULL" || column == "control_file" {
				add("UPDATE afe_jobs SET %s = %s WHERE id = %d", column, text, job+1)
			}
		}
		for _, column := range []string{"status", "execution_subdir"} {
			if text != "NULL" {
				add("UPDATE afe_host_queue_entries SET %s = %s WHERE id = %d", column, text, 10*(job+1))
			}
		}
	}
	for _, at := range timestamps {
		if at != "NULL" {
			add("UPDATE afe_jobs SET created_on = %s WHERE id = %d", at, job+1)
		}
		add("UPDATE afe_host_queue_entries SET started_on = %s, finished_on = %[1]s WHERE id = %d", at, 10*(job+1))
	}
	for _, value := range []int{-number - 1, -1, number} {
		add(`UPDATE afe_jobs SET (priority, control_type, synch_count, timeout, timeout_mins, max_runtime_hrs, max_runtime_mins, reboot_before,
			reboot_after, test_retry) = ROW (%d, %[1]d, %[1]d, %[1]d, %[1]d, %[1]d, %[1]d, %[1]d, %[1]d, %[1]d) WHERE id = %[2]d`, value, job+1)
	}
	for _, value := range []bool{true, false} {
		add("UPDATE afe_jobs SET (run_verify, run_reset, parse_failed_repair, require_ssp) = ROW (%t, %[1]t, %[1]t, %[1]t) WHERE id = %d", value, job+1)
		add("UPDATE afe_host_queue_entries SET (active, deleted, aborted) = ROW (%t, %[1]t, %[1]t) WHERE id = %d", value, 10*(job+1))
	}
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (1, 'mine'), (9223372036854775807, 'theirs')")
	pgtest.Exec(t, pool, "INSERT INTO shard_client_taken (kind, object_id, reason) VALUES ('host', 9223372036854775807, '')")
	add("UPDATE afe_host_queue_entries SET host_id = 1 WHERE job_id = %d", job+1)
	add("UPDATE afe_host_queue_entries SET host_id = 9223372036854775807 WHERE job_id = %d", job+1)

	preview, err := newClient(t, pool, wire(t, newMaster(t), afe.Protocol2019), options()).Preview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	for _, record := range append(preview.Packet.Jobs, preview.Packet.Entries...) {
		records = append(records, string(record))
	}
	views := pgtest.Query[[]string](t, pool, `SELECT array_agg(record ORDER BY place, id) FROM (
		SELECT 1 AS place, id, record FROM shard_client_upload_jobs UNION ALL SELECT 2, id, record FROM shard_client_upload_entries) AS r`)
	if len(records) != 3*job || len(views) != 3*job {
		t.Fatalf("%d records, %d in the views, want %d", len(records), len(views), 3*job)
	}
	for i, want := range views {
		if strings.Contains(want, " :") || strings.HasPrefix(want, `{"id": `) { // PostgreSQL's own form of what leaves a field out
			want = compact(t, want)
			records[i] = compact(t, records[i])
		}
		if diff := cmp.Diff(want, records[i]); diff != "" {
			t.Error(diff)
		}
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The jobs with the lowest ids go, as many as fit; none overtakes one that does not fit. Of those
// that are too large by themselves it is the turn of the next one after the last that went.
func TestChoose(t *testing.T) {
	t.Parallel()
	ids := []int64{1, 2, 3, 4, 5}
	for _, c := range []struct {
		sizes []int64
		most  int
		last  int64
		fit   []int64
		large int64
	}{
		{[]int64{20, 20, 20, 20, 20}, 9, 0, []int64{1, 2, 3, 4, 5}, 0},
		{[]int64{20, 20, 20, 20, 21}, 9, 0, []int64{1, 2, 3, 4}, 0},
		{[]int64{20, 20, 20, 20, 20}, 2, 0, []int64{1, 2}, 0},
		{[]int64{20, 20, 20, 20, 20}, 0, 0, nil, 0},
		{[]int64{60, 60, 1, 1, 1}, 9, 0, []int64{1}, 0},
		{[]int64{100, 1, 1, 1, 1}, 9, 0, []int64{1}, 0},
		{[]int64{101, 1, 1, 1, 1}, 9, 0, []int64{2, 3, 4, 5}, 1},
		{[]int64{101, 1, 101, 1, 101}, 9, 0, []int64{2, 4}, 1},
		{[]int64{101, 1, 101, 1, 101}, 9, 1, []int64{2, 4}, 3},
		{[]int64{101, 1, 101, 1, 101}, 9, 3, []int64{2, 4}, 5},
		{[]int64{101, 1, 101, 1, 101}, 9, 5, []int64{2, 4}, 1},
		{[]int64{101, 1, 101, 1, 101}, 1, 4, []int64{2}, 5},
		{[]int64{101, 101, 101, 101, 101}, 9, 2, nil, 3},
	} {
		fit, large := shard.Choose(ids, c.sizes, 100, c.most, c.last)
		if !slices.Equal(fit, c.fit) || large != c.large {
			t.Errorf("%v, at most %d, after %d: %v and %d, want %v and %d", c.sizes, c.most, c.last, fit, large, c.fit, c.large)
		}
	}
}
