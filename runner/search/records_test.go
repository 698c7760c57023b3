package search_test

import (
	"io"
	"net/http"
	"slices"

	"shardclient/runner/afe"
)

// refusedAmong is how many jobs wait when a record is refused.
const refusedAmong = 40

// refusedRecord is a record for which a master refuses the whole call.
type refusedRecord struct {
	name     string
	protocol afe.Protocol
	master   string // makes the record bad there
	answer   func(http.ResponseWriter, *http.Request, packetSent) bool
	aside    string
	left     int64 // entries that stay open on the master
	failed   int   // at most
}

func refusedRecords() []refusedRecord {
	const n = refusedAmong
	return []refusedRecord{
		{
			name:     "unknown job",
			protocol: afe.Protocol2019,
			master:   `DELETE FROM afe_host_queue_entries WHERE job_id = 7; DELETE FROM afe_jobs WHERE id = 7`,
			aside:    "job 7", failed: 1,
		},
		{
			name:     "unknown entry",
			protocol: afe.Protocol2019,
			master:   `DELETE FROM afe_host_queue_entries WHERE job_id = 7`,
			aside:    "job 7", failed: 1,
		},
		{
			name:     "job of another shard",
			protocol: afe.Protocol2015,
			master:   `UPDATE afe_jobs SET shard_id = 2 WHERE id = 7`,
			aside:    "job 7", left: 1, failed: 1,
		},
		{
			name:     "two unknown jobs",
			protocol: afe.Protocol2019,
			master: `DELETE FROM afe_host_queue_entries WHERE job_id IN (7, 31);
				DELETE FROM afe_jobs WHERE id IN (7, 31)`,
			aside: "job 31, job 7", failed: 2,
		},
		{
			name:     "host status that ACLs forbid",
			protocol: afe.Protocol2019,
			master:   `UPDATE afe_hosts SET status = 'Dead' WHERE id = 2`,
			aside:    "host 2", failed: 1,
		},
		{
			name:     "host that is gone",
			protocol: afe.Protocol2019,
			master:   `DELETE FROM afe_hosts WHERE id = 2`,
			aside:    "host 2", failed: 1,
		},
		{
			name:     "unreadable, unnamed",
			protocol: afe.Protocol2019,
			answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				return p.hasJob(7) && html500(w)
			},
			aside: "job 7", left: 1, failed: boundOf(n + 3),
		},
		{
			name:     "unnamed host",
			protocol: afe.Protocol2019,
			answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				return slices.Contains(p.HostIDs, 3) && html500(w)
			},
			aside: "host 3", failed: boundOf(n + 3),
		},
		{
			name:     "three unreadable",
			protocol: afe.Protocol2019,
			answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				return (p.hasJob(8) || p.hasJob(1) || p.hasJob(9)) && html500(w)
			},
			aside: "job 1, job 8, job 9", left: 3, failed: 3 * boundOf(n+3),
		},
		{
			name:     "a message that names the wrong record",
			protocol: afe.Protocol2019,
			answer: func(w http.ResponseWriter, _ *http.Request, p packetSent) bool {
				return p.hasJob(7) && namesJob9(w)
			},
			aside: "job 7", left: 1, failed: boundOf(n+3) + 1,
		},
	}
}

// namesJob9 refuses a packet with a message that names job 9.
func namesJob9(w http.ResponseWriter) bool {
	_, _ = io.WriteString(w, `{"result": null, "id": "jsonrpc", "error": {"name": "X", "traceback": "",
		"message": "Job id=9 is assigned to shard (2). Cannot"}}`)
	return true
}
