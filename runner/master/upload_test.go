package master_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// Fields that are left out stay, a foreign key that is null is erased, and 2019 passes over what is
// another shard's.
func TestStoresUploads(t *testing.T) {
	pool := pgtest.Pool(t)
	loadRecorded(t, pool, afe.Protocol2019)
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = 2 WHERE id = 5")
	r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(`{"shard_hostname": "shard1.example",
		"jobs": [{"id": 3, "priority": 7, "parent_job_id": null}, {"id": 5, "priority": 7}],
		"hqes": [{"id": 3, "status": "Failed", "host_id": null}, {"id": 6, "status": "Failed"}, {"id": 2, "status": "Failed"}]}`))
	if r.Error != nil {
		t.Fatalf("%+v", r.Error)
	}
	for id, want := range map[int64]string{3: "7 bob  a@example.com", 5: "20 bob 1 a@example.com"} {
		got := pgtest.Query[string](t, pool, `SELECT concat_ws(' ', priority, owner, coalesce(parent_job_id::text, ''), email_list) FROM afe_jobs WHERE id = $1`, id)
		if got != want {
			t.Errorf("job %d: %q, want %q", id, got, want)
		}
	}
	for id, want := range map[int64]string{2: "Queued 0", 3: "Failed 0", 6: "Queued 1"} {
		got := pgtest.Query[string](t, pool, `SELECT concat_ws(' ', status, coalesce(host_id, 0)) FROM afe_host_queue_entries WHERE id = $1`, id)
		if got != want {
			t.Errorf("entry %d: %q, want %q", id, got, want)
		}
	}
}

// stored sends one job and one entry of shard one and returns a value that is stored then. The
// shard has job 1 with entries 2 and 3.
func stored(t *testing.T, protocol afe.Protocol, edit, jobs, entries, look string) (*reply, string) {
	t.Helper()
	pool := pgtest.Pool(t)
	loadShared(t, pool, 1)
	if edit != "" {
		pgtest.Exec(t, pool, edit)
	}
	r := call(t, serve(t, pool, protocol), heartbeat(`{"shard_hostname": "one", "jobs": [`+jobs+`], "hqes": [`+entries+`]}`))
	return r, pgtest.Query[string](t, pool, look)
}

// active and complete are what was sent, whatever the status says, and stay where nothing was sent.
func TestFlagsAreStoredAsSent(t *testing.T) {
	const flags = "SELECT concat_ws(' ', status, active, complete) FROM afe_host_queue_entries WHERE id = 2"
	for _, protocol := range protocols {
		for _, c := range []struct{ edit, entry, want string }{
			{"", `{"id": 2, "status": "Failed"}`, "Failed f f"},
			{"", `{"id": 2, "status": "Failed", "complete": false}`, "Failed f f"},
			{"", `{"id": 2, "complete": true}`, "Queued f t"},
			{"", `{"id": 2, "status": "Running"}`, "Running f f"},
			{"", `{"id": 2, "status": "Queued", "active": true, "complete": true}`, "Queued t t"},
			{"UPDATE afe_host_queue_entries SET active = true, complete = true", `{"id": 2, "status": "Queued"}`, "Queued t t"},
			{"UPDATE afe_host_queue_entries SET active = true", `{"id": 2, "status": "Completed", "active": false}`, "Completed f f"},
		} {
			r, got := stored(t, protocol, c.edit, `{"id": 1}`, c.entry, flags)
			if r.Error != nil || got != c.want {
				t.Errorf("%s %s after %q: %q, want %q (%+v)", protocol, c.entry, c.edit, got, c.want, r.Error)
			}
		}
	}
}

// Each record keeps its own fields, whatever others in the packet have: of one list of values for a
// column, the first and the last are missing.
func TestRecordsWithDifferentFields(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 4)
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET control_file = 'here', require_ssp = true")
	r := call(t, serve(t, pool, afe.Protocol2019), heartbeat(`{"shard_hostname": "one", "jobs": [
		{"id": 1, "name": "a"}, {"id": 2, "control_file": "sent", "require_ssp": false},
		{"id": 3, "control_file": null, "require_ssp": null, "name": "c"}, {"id": 4}]}`))
	if r.Error != nil {
		t.Fatalf("%+v", r.Error)
	}
	got := pgtest.Query[string](t, pool, `SELECT string_agg(concat_ws(' ', id, name, control_file, require_ssp), ', ' ORDER BY id) FROM afe_jobs`)
	if want := "1 a here t, 2 j sent f, 3 c, 4 j here t"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What the original accepts, and what it makes of it.
func TestAcceptsWhatTheOriginalAccepts(t *testing.T) {
	const (
		priority = "SELECT priority::text FROM afe_jobs"
		created  = "SELECT created_on::text FROM afe_jobs"
		entry    = "SELECT concat_ws(' ', status, complete, host_id, started_on) FROM afe_host_queue_entries WHERE id = 2"
	)
	for _, c := range []struct{ job, entry, look, want string }{
		{`{"id": 1, "priority": 7.9}`, "", priority, "7"},
		{`{"id": 1, "priority": -7.9}`, "", priority, "-7"},
		{`{"id": 1, "priority": 1e1}`, "", priority, "10"},
		{`{"id": 1, "priority": " 7 "}`, "", priority, "7"},
		{`{"id": 1, "priority": true}`, "", priority, "1"},
		{`{"id": 1, "priority": 1}, {"id": 1, "priority": 2}`, "", priority, "2"},
		{`{"id": 1, "priority": 7, "owner": "x"}, {"id": 1}`, "", priority, "40"},
		{`{"id": 1, "priority": "x", "priority": 7}`, "", priority, "7"},
		{`{"id": 1.0, "priority": 7}`, "", priority, "7"},
		{`{"id": "1", "priority": 7}`, "", priority, "7"},
		{`{"id": 1, "priority": 7, "never_heard_of": 1}`, "", priority, "7"},
		{`{"id": 1, "created_on": "2019-03-15"}`, "", created, "2019-03-15 00:00:00"},
		{`{"id": 1, "created_on": "2019-3-5"}`, "", created, "2019-03-05 00:00:00"},
		{`{"id": 1, "created_on": "2019-03-15T11:30"}`, "", created, "2019-03-15 11:30:00"},
		{`{"id": 1, "created_on": "2019-03-15 11:30:15"}`, "", created, "2019-03-15 11:30:15"},
		{`{"id": 1, "created_on": "2019-03-15T11:30:15.123456"}`, "", created, "2019-03-15 11:30:15.123456"},
		{`{"id": 1, "created_on": "2019-03-15T11:30:15.25"}`, "", created, "2019-03-15 11:30:15.25"},
		{`{"id": 1, "created_on": "2019-03-15T11:30:15.1234567"}`, "", created, "2019-03-15 11:30:15.123456"},
		{`{"id": 1}`, `{"id": 2, "complete": 1, "host_id": 1.5, "started_on": "2019-03-15"}`, entry, "Queued t 1 2019-03-15 00:00:00"},
		{`{"id": 1}`, `{"id": "2", "complete": 0, "host_id": "1"}`, entry, "Queued f 1"},
		{`{"id": true}`, `{"id": 2, "status": "Failed"}`, entry, "Failed f"},
		// The original compares the id of the entry's job with what was sent: a text is no number.
		{`{"id": "1"}`, `{"id": 2, "status": "Failed"}`, entry, "Queued f"},
		{`{"id": 1.9}`, `{"id": 2, "status": "Failed"}`, entry, "Queued f"},
	} {
		r, got := stored(t, afe.Protocol2019, "", c.job, c.entry, c.look)
		if r.Error != nil || got != c.want {
			t.Errorf("%s %s: %q, want %q (%+v)", c.job, c.entry, got, c.want, r.Error)
		}
	}
}

func TestRefusesWhatTheOriginalRefuses(t *testing.T) {
	for _, c := range []struct{ job, entry, name string }{
		{`{"id": 1, "priority": "7.9"}`, "", "ValueError"},
		{`{"id": 1, "priority": ""}`, "", "ValueError"},
		{`{"id": 1, "priority": [7]}`, "", "TypeError"},
		{`{"id": 1, "priority": 1e30}`, "", "OverflowError"},
		{`{"id": 1, "priority": 3000000000}`, "", "DataError"},
		{`{"id": 1, "priority": null}`, "", "IntegrityError"},
		{`{"id": null}`, "", "TypeError"},
		{`{"id": "x"}`, "", "ValueError"},
		{`{"id": 1, "created_on": "2019-03-15T11:30:15Z"}`, "", "ValueError"},
		{`{"id": 1, "created_on": "2019-03-15T11:30:15+01:00"}`, "", "ValueError"},
		{`{"id": 1, "created_on": "2019-02-29"}`, "", "ValueError"},
		{`{"id": 1, "created_on": "2019-03-15T24:00:00"}`, "", "ValueError"},
		{`{"id": 1, "created_on": "yesterday"}`, "", "ValueError"},
		{`{"id": 1, "created_on": ""}`, "", "ValueError"},
		{`{"id": 1, "created_on": 7}`, "", "TypeError"},
		{`{"id": 1}`, `{"id": 2, "started_on": "2019-03-15T11"}`, "ValueError"},
	} {
		r, _ := stored(t, afe.Protocol2019, "", c.job, c.entry, "SELECT ''")
		if r.Error == nil || r.Error.Name != c.name {
			t.Errorf("%s %s: %s, want %s", c.job, c.entry, r.body, c.name)
		}
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
