package shard_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// packetOf returns the packet that a client would send from a database.
func packetOf(t *testing.T, pool *pgxpool.Pool) *afe.Packet {
	t.Helper()
	client := newClient(t, pool, nobody{}, options())
	defer client.Close(t.Context())
	p, err := client.Pack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p.Packet
}

// The records of docs/protocol.md, "Request arguments", to the letter.
func TestRecordsOnTheWire(t *testing.T) {
	t.Parallel()
	const job = `{"id":2,"owner":"alice","name":"j\"\\\u001f/` + "\x7f" + `","priority":20,"control_file":null,"control_type":2,` +
		`"created_on":"2019-03-15T10:20:31.123","synch_count":1,"timeout":24,"timeout_mins":1440,"max_runtime_hrs":72,` +
		`"max_runtime_mins":60,"run_verify":false,"run_reset":true,"email_list":"","reboot_before":1,"reboot_after":0,` +
		`"parse_failed_repair":false,"test_retry":3,"require_ssp":null}`
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname, invalid) VALUES (1, 'h1', true)")
	pgtest.Exec(t, pool, `INSERT INTO afe_jobs (id, owner, name, priority, created_on, synch_count, max_runtime_mins, test_retry, drone_set_id)
		VALUES (2, 'alice', $1, 20, '2019-03-15 10:20:31.1239', 1, 60, 3, 5)`, "j\"\\\x1f/\x7f")
	pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, status, complete, aborted, execution_subdir, finished_on, host_id)
		VALUES (8, 2, 'Aborted', true, true, '', NULL, NULL), (7, 2, 'Completed', true, false, 'host1', '2019-03-15 10:21:31', 1)`)
	body, err := packetOf(t, pool).Body(afe.Protocol2019)
	want := `{"method":"shard_heartbeat","params":[{"shard_hostname":"shard1.example","known_job_ids":[],"known_host_ids":[],` +
		`"known_host_statuses":[],"jobs":[` + job + `],"hqes":[` +
		`{"id":7,"status":"Completed","active":false,"complete":true,"deleted":false,"aborted":false,` +
		`"execution_subdir":"host1","started_on":null,"finished_on":"2019-03-15T10:21:31","host_id":1},` +
		`{"id":8,"status":"Aborted","active":false,"complete":true,"deleted":false,"aborted":true,` +
		`"execution_subdir":"","started_on":null,"finished_on":null,"host_id":null}]}],"id":"jsonrpc"}`
	if err != nil || string(body) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, body, want)
	}
}

// A time has three digits of fraction, truncated, or none. A time that Python cannot read becomes
// null, because it would fail the whole call.
func TestTimesOnTheWire(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	times := map[string]string{
		"2019-03-15 11:30:15":        `"2019-03-15T11:30:15"`,
		"2019-03-15 11:30:15.0005":   `"2019-03-15T11:30:15.000"`, // as Django's encoder
		"2019-03-15 11:30:15.001":    `"2019-03-15T11:30:15.001"`,
		"2019-03-15 11:30:15.12":     `"2019-03-15T11:30:15.120"`,
		"2019-03-15 11:30:15.999999": `"2019-03-15T11:30:15.999"`, // not 11:30:16
		"0001-01-01 00:00:00":        `"0001-01-01T00:00:00"`,
		"9999-12-31 23:59:59.999999": `"9999-12-31T23:59:59.999"`,
		"10000-01-01 00:00:00":       "null",
		"0001-12-31 23:59:59 BC":     "null",
		"infinity":                   "null",
		"-infinity":                  "null",
	}
	for stored, want := range times {
		pgtest.Exec(t, pool, "DELETE FROM afe_host_queue_entries")
		pgtest.Exec(t, pool, "DELETE FROM afe_jobs")
		pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on) VALUES (1, $1::text::timestamp)", stored)
		pgtest.Exec(t, pool, `INSERT INTO afe_host_queue_entries (id, job_id, complete, started_on, finished_on)
			VALUES (1, 1, true, $1::text::timestamp, $1::text::timestamp)`, stored)
		p := packetOf(t, pool)
		for record, fields := range map[string][]string{
			string(p.Jobs[0]):    {"created_on"},
			string(p.Entries[0]): {"started_on", "finished_on"},
		} {
			for _, field := range fields {
				if !strings.Contains(record, `"`+field+`":`+want) {
					t.Errorf("%s: %s is not %s in %s", stored, field, want, record)
				}
			}
		}
	}
}

// Each string that is not ASCII is left out by itself; nulls and all other fields are sent. A field
// that is left out is compared all the same.
func TestFieldsOutsideASCII(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, text := range []string{"é", "a\u2028", "\u0080", "日本", "\U0001f600"} {
		for table, fields := range map[string][]string{
			"afe_jobs":               {"owner", "name", "control_file", "email_list"},
			"afe_host_queue_entries": {"status", "execution_subdir"},
		} {
			for _, field := range fields {
				client := newClient(t, pool, nobody{}, options())
				finish(t, pool, 1, "x")
				record := func() (names []string) {
					t.Helper()
					p := packetOf(t, pool)
					raw := p.Jobs[0]
					if table != "afe_jobs" {
						raw = p.Entries[0]
					}
					var object map[string]json.RawMessage
					if err := json.Unmarshal(raw, &object); err != nil {
						t.Fatal(err)
					}
					for name := range object {
						names = append(names, name)
					}
					slices.Sort(names)
					return names
				}
				whole := record()
				pgtest.Exec(t, pool, "UPDATE "+table+" SET "+field+" = $1", text)
				want := slices.DeleteFunc(slices.Clone(whole), func(name string) bool { return name == field })
				if diff := cmp.Diff(want, record()); diff != "" {
					t.Errorf("%s = %q: fields (-want +sent):\n%s", field, text, diff)
				}
				for after, changed := range map[string]bool{text: false, text + "!": true} {
					pgtest.Exec(t, pool, "UPDATE "+table+" SET "+field+" = $1", text)
					pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
					p, err := client.Pack(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					pgtest.Exec(t, pool, "UPDATE "+table+" SET "+field+" = $1", after)
					if err := client.Acknowledge(t.Context(), p); err != nil {
						t.Fatal(err)
					}
					if again := pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs"); again != changed {
						t.Errorf("%s = %q, written as %q after the packet: uploaded again is %t", field, text, after, again)
					}
				}
				client.Close(t.Context())
				pgtest.Exec(t, pool, "DELETE FROM afe_host_queue_entries")
				pgtest.Exec(t, pool, "DELETE FROM afe_jobs")
			}
		}
	}
}
