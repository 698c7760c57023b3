package master_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

func TestRecordedErrors(t *testing.T) {
	for _, protocol := range protocols {
		names, err := filepath.Glob(filepath.Join("..", "lab", "replay", "testdata", "wire", string(protocol), "2*.request.http"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no recorded errors: %v", err)
		}
		pool := pgtest.Pool(t)
		loadRecorded(t, pool, protocol)
		url := serve(t, pool, protocol)
		for _, name := range names {
			want := readResponse(t, strings.TrimSuffix(name, ".request.http")+".response.http")
			got := call(t, url, readRequest(t, name))
			if got.status != want.status || got.contentType != want.contentType {
				t.Errorf("%s: %d %s, want %d %s", name, got.status, got.contentType, want.status, want.contentType)
				continue
			}
			if want.Error == nil {
				if !bytes.HasPrefix(got.body, []byte("<html><head><body>")) {
					t.Errorf("%s: %s, want a page", name, got.body)
				}
				continue
			}
			if got.Error == nil || got.Error.Name != want.Error.Name || got.Error.Message != want.Error.Message || got.ID != want.ID {
				t.Errorf("%s: %s, want %+v", name, got.body, want.Error)
			}
			if got.Error != nil && got.Error.Traceback == "" {
				t.Errorf("%s: no traceback", name)
			}
		}
	}
}

func readRequest(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestUnreadableRequests(t *testing.T) {
	url := serve(t, pgtest.Pool(t), afe.Protocol2019)
	for _, body := range []string{
		heartbeat(`{"shard_hostname": "é"}`), heartbeat(`{"shard_hostname": "\u00e9"}`), heartbeat(`{"\u00e9": 1}`),
		heartbeat("{\"shard_hostname\": \"\xff\"}"), heartbeat(`{}`) + "x", `{"method": "shard_heartbeat", "params": [{}]}`,
	} {
		if r := call(t, url, body); r.status != http.StatusInternalServerError {
			t.Errorf("%s: %d %s, want 500", body, r.status, r.body)
		}
	}
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("GET: %d, want 500", response.StatusCode)
	}
}

// Each call fails, and nothing of it is written.
func TestRefusedCallsWriteNothing(t *testing.T) {
	const job2 = `{"id": 2, "name": "changed"}`
	both, only2015, only2019 := protocols, protocols[:1], protocols[1:]
	for _, c := range []struct {
		protocols             []afe.Protocol
		user, args, name, msg string
	}{
		{both, "", `"jobs": [` + job2 + `, {"id": 99}]`, "UnallowedRecordsSentToMaster", "Object with pk 99 of type <class 'autotest_lib.frontend.afe.models.Job'> does not exist on master."},
		{both, "", `"jobs": [` + job2 + `], "hqes": [{"id": 99}]`, "UnallowedRecordsSentToMaster", "Object with pk 99 of type"},
		{both, "", `"jobs": [` + job2 + `, {"id": 3, "shard": null}]`, "ValueError", "Serialized must not contain foreign objects: [('shard', None)]"},
		{both, "", `"jobs": [` + job2 + `], "hqes": [{"id": 2, "meta_host": {"id": 1}}]`, "ValueError", "[('meta_host', {'id': 1})]"},
		{both, "", `"jobs": [` + job2 + `], "hqes": [{"id": 2, "started_on": "2019-03-15T11:00:00Z"}]`, "ValueError", "not a time without a zone"},
		{both, "", `"jobs": [` + job2 + `, {"id": 3, "owner": null}]`, "IntegrityError", "owner"},
		{both, "", `"jobs": [` + job2 + `, {"name": "x"}]`, "KeyError", "'id'"},
		{only2015, "", `"jobs": [` + job2 + `, {"id": 5}]`, "UnallowedRecordsSentToMaster", "Job id=5 is assigned to shard (2). Cannot update it with {'id': 5} from shard 1."},
		{only2015, "", `"jobs": [` + job2 + `], "hqes": [{"id": 3}]`, "UnallowedRecordsSentToMaster", "Sent HostQueueEntry without corresponding job entry: {'id': 3}"},
		{only2015, "", `"known_host_statuses": []`, "TypeError", "shard_heartbeat() got an unexpected keyword argument 'known_host_statuses'"},
		{only2019, "", `"jobs": [` + job2 + `], "known_host_ids": [1]`, "AssertionError", ""},
		{only2019, "", `"jobs": [` + job2 + `], "known_host_ids": [1, 77], "known_host_statuses": ["Dead", "Dead"]`, "DoesNotExist", "Host matching query does not exist. Lookup parameters were {'pk': 77}"},
		{only2019, "mallory", `"jobs": [` + job2 + `], "known_host_ids": [2], "known_host_statuses": ["Dead"]`, "AclAccessViolation", "mallory does not have access to chromeos1-row1-host2"},
	} {
		for _, protocol := range c.protocols {
			pool := pgtest.Pool(t)
			loadRecorded(t, pool, protocol)
			pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 2 WHERE id = 5")
			const whole = `SELECT md5(string_agg(t, '')) FROM (SELECT j::text AS t FROM afe_jobs AS j UNION ALL
				SELECT e::text FROM afe_host_queue_entries AS e UNION ALL SELECT h::text FROM afe_hosts AS h UNION ALL
				SELECT u::text FROM afe_users AS u ORDER BY 1) AS rows`
			before := pgtest.Query[string](t, pool, whole)
			r, err := post(t.Context(), serve(t, pool, protocol), c.user, heartbeat(`{"shard_hostname": "shard1.example", `+c.args+`}`))
			if err != nil {
				t.Fatal(err)
			}
			if r.Error == nil || r.Error.Name != c.name || !strings.Contains(r.Error.Message, c.msg) {
				t.Errorf("%s %s: %s, want %s: %s", protocol, c.args, r.body, c.name, c.msg)
			}
			if pgtest.Query[string](t, pool, whole) != before {
				t.Errorf("%s %s: something was written", protocol, c.args)
			}
		}
	}
}
