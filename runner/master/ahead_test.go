package master_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// A large packet is looked at before all of it is read. The answer is the one to the same packet
// without what makes it large, in whatever order its arguments come and however often.
func TestLargePacketsAreAnsweredAsSmallOnes(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	for name, arguments := range map[string]string{
		"what the look needs first": `"shard_hostname": "one", "known_job_ids": [1], "known_host_ids": [2], "known_host_statuses": ["Ready"], "jobs": [%s]`,
		"jobs first":                `"jobs": [%s], "known_job_ids": [1], "known_host_ids": [2], "known_host_statuses": ["Ready"], "shard_hostname": "one"`,
		"other known ids later": `"shard_hostname": "one", "known_job_ids": [1, 2, 3], "known_host_ids": [1], "known_host_statuses": ["Ready"], "jobs": [%s],
			"known_job_ids": [2], "known_host_ids": [2]`,
		"another shard later":          `"shard_hostname": "one", "known_job_ids": [], "known_host_ids": [], "known_host_statuses": [], "jobs": [%s], "shard_hostname": "two"`,
		"no such shard":                `"shard_hostname": "nobody", "known_job_ids": [], "known_host_ids": [], "jobs": [%s]`,
		"no such shard, but one later": `"shard_hostname": "nobody", "known_job_ids": [], "known_host_ids": [], "jobs": [%s], "shard_hostname": "one"`,
		"an id that is none":           `"shard_hostname": "one", "known_job_ids": ["x"], "known_host_ids": [], "jobs": [%s]`,
		"an argument that is none":     `"shard_hostname": "one", "known_job_ids": [], "known_host_ids": [], "jobs": [%s], "nonsense": 1`,
		"a record that is none":        `"shard_hostname": "one", "known_job_ids": [], "known_host_ids": [], "jobs": [%s, {}]`,
	} {
		t.Run(name, func(t *testing.T) {
			answers := [][]byte{}
			for _, padding := range []string{"", large} {
				pool := pgtest.Pool(t)
				loadShared(t, pool, 4)
				pgtest.Exec(t, pool, "UPDATE afe_jobs SET created_on = '2019-03-01'")
				record := fmt.Sprintf(`{"id": 1, "owner": "alice", "nothing": "%s"}`, padding)
				r := call(t, serve(t, pool, afe.Protocol2019), heartbeat("{"+fmt.Sprintf(arguments, record)+"}"))
				answers = append(answers, r.body)
			}
			if diff := cmp.Diff(string(answers[0]), string(answers[1])); diff != "" {
				t.Errorf("(-small +large):\n%.3000s", diff)
			}
		})
	}
}

// What cannot be read is answered with a page, although the look was begun, and nothing is written.
func TestLargePacketThatEndsEarly(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 4)
	body := heartbeat(`{"shard_hostname": "one", "known_job_ids": [], "known_host_ids": [], "jobs": [{"id": 1, "nothing": "` +
		strings.Repeat("x", 200<<10) + `"}]}`)
	r := call(t, serve(t, pool, afe.Protocol2019), body[:len(body)-10])
	if r.status != 500 || !bytes.Contains(r.body, []byte("ServiceRequestNotTranslatable")) {
		t.Errorf("status %d: %.300s", r.status, r.body)
	}
	if given := pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_jobs WHERE shard_id IS NOT NULL"); given != 0 {
		t.Errorf("%d jobs were given to the shard", given)
	}
}

// An upload may leave a job that is not known open. It is sent again, unlike those of which an
// entry has ended or begun.
func TestUploadThatLeavesAJobOpen(t *testing.T) {
	for _, protocol := range protocols {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 4)
		pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 1")
		entries := pgtest.Query[[]int64](t, pool, "SELECT array_agg(e.id ORDER BY e.job_id) FROM (SELECT min(id) AS id, job_id FROM afe_host_queue_entries GROUP BY job_id) AS e")
		r := call(t, serve(t, pool, protocol), heartbeat(fmt.Sprintf(`{"shard_hostname": "one",
			"jobs": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}], "hqes": [
			{"id": %d, "status": "Completed", "complete": true}, {"id": %d, "status": "Running", "active": true},
			{"id": %d, "execution_subdir": "x"}, {"id": %d, "complete": true, "complete": false}]}`,
			entries[0], entries[1], entries[2], entries[3])))
		if diff := cmp.Diff([]int64{3, 4}, ids(t, r, "jobs")); diff != "" {
			t.Errorf("%s: jobs sent (-want +sent):\n%s", protocol, diff)
		}
	}
}
