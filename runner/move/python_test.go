//go:build mariadb

package move_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/runner/afe"
	"shardclient/runner/faults"
)

// pythonClient sends what Autotest's client would send from MySQL, by the statements that Django
// makes of it (scheduler/shard/shard_client.py of 2019), and marks what it has sent as that one
// does. It stores nothing of what comes.
type pythonClient struct {
	t    testing.TB
	old  *oldShard
	wire *afe.Client
	name string
}

func newPythonClient(t testing.TB, l *faults.Lab, old *oldShard, name string) *pythonClient {
	t.Helper()
	return &pythonClient{t, old, l.Wire(l.URL()), name}
}

func (p *pythonClient) ids(query string) (list []int64) {
	p.t.Helper()
	for text := range strings.FieldsSeq(p.old.ask(query)) {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, id)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// toUpload is _get_jobs_to_upload.
func (p *pythonClient) toUpload() []int64 {
	p.t.Helper()
	return p.ids("SELECT afe_jobs.id FROM afe_jobs INNER JOIN afe_host_queue_entries ON (afe_jobs.id = afe_host_queue_entries.job_id) " +
		"WHERE (afe_host_queue_entries.complete = 1 AND afe_jobs.shard_id IS NULL)")
}

// known is _get_known_jobs_and_hosts.
func (p *pythonClient) known() (jobs, hosts []int64) {
	p.t.Helper()
	return p.ids("SELECT afe_jobs.id FROM afe_jobs INNER JOIN afe_host_queue_entries ON (afe_jobs.id = afe_host_queue_entries.job_id) WHERE afe_host_queue_entries.complete = 0"),
		p.ids("SELECT id FROM afe_hosts WHERE invalid = 0")
}

// beat is do_heartbeat, and returns which jobs were uploaded.
func (p *pythonClient) beat() []int64 {
	p.t.Helper()
	packet := &afe.Packet{ShardHostname: p.name, Jobs: []jsontext.Value{}, Entries: []jsontext.Value{}}
	packet.KnownJobIDs, packet.KnownHostIDs = p.known()
	packet.KnownHostStatuses = strings.Split(p.old.ask("SELECT status FROM afe_hosts WHERE invalid = 0 ORDER BY id"), "\n")
	uploaded := p.toUpload()
	for _, id := range uploaded {
		is := strconv.FormatInt(id, 10)
		packet.Jobs = append(packet.Jobs, p.records("afe_jobs WHERE id = "+is)...)
		packet.Entries = append(packet.Entries, p.records("afe_host_queue_entries WHERE job_id = "+is)...)
	}
	if _, err := p.wire.Heartbeat(p.t.Context(), packet); err != nil {
		p.t.Fatal(err)
	}
	for _, id := range uploaded { // _mark_jobs_as_uploaded
		p.old.do("UPDATE afe_jobs SET shard_id = (SELECT id FROM afe_shards WHERE hostname = ?) WHERE id IN (?)", p.name, id)
	}
	return uploaded
}

// records writes rows as serialize does.
func (p *pythonClient) records(from string) (list []jsontext.Value) {
	p.t.Helper()
	flags := strings.Fields("run_verify run_reset parse_failed_repair require_ssp active complete deleted aborted")
	texts := strings.Fields("owner name control_file email_list status execution_subdir")
	for _, row := range p.old.rows(from) {
		record := map[string]any{}
		for name, value := range row {
			switch {
			case value == "NULL":
				record[name] = nil
			case slices.Contains(flags, name):
				record[name] = value != "0"
			case strings.HasSuffix(name, "_on"):
				record[name] = strings.Replace(value, " ", "T", 1)
			case slices.Contains(texts, name):
				record[name] = value
			default:
				record[name] = json.Number(value)
			}
		}
		for _, link := range strings.Fields("shard_id parent_job_id drone_set_id parameterized_job_id meta_host atomic_group_id job_id") {
			delete(record, link)
		}
		text, err := json.Marshal(record)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}
