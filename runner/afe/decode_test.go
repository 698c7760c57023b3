package afe

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"shardclient/runner/objects"

	"github.com/google/go-cmp/cmp"
)

// firstReason returns the reason of the first object in a response that cannot be used.
func firstReason(r *whole) error {
	errs := []error{nil}
	for _, o := range r.Hosts {
		errs = append(errs, o.Err)
	}
	for _, o := range r.Jobs {
		errs = append(errs, o.Err)
	}
	for _, o := range r.SuiteKeyvals {
		errs = append(errs, o.Err)
	}
	for _, m := range r.Malformed {
		errs = append(errs, m.Err)
	}
	return errors.Join(errs...)
}

func TestRecordedResponsesDecode(t *testing.T) {
	type counts struct{ hosts, jobs, entries, keyvals, suite, incorrect int }
	count := func(r *whole) (c counts) {
		for _, job := range r.Jobs {
			c.entries += len(job.Object.Entries)
			c.keyvals += len(job.Object.Keyvals.Value)
		}
		c.hosts, c.jobs, c.suite, c.incorrect = len(r.Hosts), len(r.Jobs), len(r.SuiteKeyvals), len(r.IncorrectHostIDs)
		return c
	}
	want := map[string]counts{ // all others bring nothing
		"2015/01_first_heartbeat.response.http":             {hosts: 3, jobs: 4, entries: 5, keyvals: 12, suite: 3},
		"2019/01_first_heartbeat.response.http":             {hosts: 3, jobs: 4, entries: 5, keyvals: 12, suite: 3},
		"2015/04_after_abort_on_master.response.http":       {jobs: 1, entries: 2, keyvals: 3, suite: 3},
		"2019/04_after_abort_on_master.response.http":       {jobs: 1, entries: 2, keyvals: 3, suite: 3},
		"2015/05_abort_still_open_sent_again.response.http": {jobs: 1, entries: 2, keyvals: 3, suite: 3},
		"2019/05_abort_still_open_sent_again.response.http": {jobs: 1, entries: 2, keyvals: 3, suite: 3},
		"2019/07_incorrect_host_ids.response.http":          {incorrect: 1},
	}
	for name, raw := range recorded(t, "0*.response.http") {
		_, body := recordedResponse(t, raw)
		response := decodeOK(t, body)
		if err := firstReason(response); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := count(response); got != want[name] {
			t.Errorf("%s: %+v, want %+v", name, got, want[name])
		}
	}
	large, err := os.ReadFile(largeResponse)
	if err != nil {
		t.Fatal(err)
	}
	response := decodeOK(t, large)
	whole := counts{hosts: 100, jobs: 1000, entries: 1250, keyvals: 3000, suite: 3}
	if got := count(response); got != whole || firstReason(response) != nil {
		t.Errorf("large: %+v, want %+v; %v", got, want, firstReason(response))
	}
}

// Each object of the 2019 recording, whole.
func TestRecordedObjects(t *testing.T) {
	at := func(s string) objects.Time {
		parsed, err := objects.ParseTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return objects.Time{Time: parsed}
	}
	_, body := recordedResponse(t, recorded(t, "01*.response.http")["2019/01_first_heartbeat.response.http"])
	r := decodeOK(t, body)
	var job *objects.Job
	for i := range r.Jobs {
		if r.Jobs[i].ID == 2 {
			job = &r.Jobs[i].Object
		}
	}
	if job == nil {
		t.Fatal("no job 2")
	}
	if job.Owner != "alice" || job.CreatedOn != at("2019-03-15T10:20:31.123") || job.RequireSSP != nil || job.Priority != 20 ||
		!strings.HasPrefix(*job.ControlFile, "NAME = \"dummy_0\"\n") || job.Shard.Value.Hostname != "shard1.example" {
		t.Errorf("job 2: %+v", job)
	}
	var host *objects.Host
	for i := range r.Hosts {
		if r.Hosts[i].ID == 1 {
			host = &r.Hosts[i].Object
		}
	}
	if host == nil || host.Status != "Ready" || len(host.Labels) == 0 || len(host.ACLGroups) == 0 || len(host.ACLGroups[0].Users) == 0 ||
		!host.Attributes.Sent || host.Shard.Value.ID != 1 {
		t.Errorf("host 1: %+v", host)
	}
}

// Fields that are left out get the defaults of docs/protocol.md, "Tables".
func TestDefaults(t *testing.T) {
	r := decodeOK(t, []byte(`{"result": {
		"hosts": [{"id": 1, "hostname": "h", "labels": [{"id": 2, "name": "l"}],
			"aclgroup_set": [{"id": 3, "name": "g", "users": [{"id": 4, "login": "u"}]}], "hostattribute_set": [{}]}],
		"jobs": [{"id": 5, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15",
			"hostqueueentry_set": [{"id": 6, "status": "Queued"}]}],
		"suite_keyvals": [{"job_id": 7}]}}`))
	if err := firstReason(r); err != nil {
		t.Fatal(err)
	}
	host := objects.Host{
		ID: 1, Hostname: "h", Status: "Ready", Leased: true, Dirty: true, LockReason: pointer(""), Labels: []objects.Label{{ID: 2, Name: "l"}},
		ACLGroups:  []objects.ACLGroup{{ID: 3, Name: "g", Users: []objects.User{{ID: 4, Login: "u", RebootBefore: 1}}}},
		Attributes: sent([]objects.Attribute{{}}),
	}
	job := objects.Job{
		ID: 5, Owner: "o", Name: "n", CreatedOn: objects.Time{Time: time.Date(2019, 3, 15, 11, 30, 15, 0, time.UTC)}, Priority: 40,
		ControlType: 2, Timeout: 24, TimeoutMins: 1440, MaxRuntimeHrs: 72, MaxRuntimeMins: 4320, RunReset: true, RebootBefore: 1,
		Entries: []objects.Entry{{ID: 6, Status: "Queued"}},
	}
	if diff := cmp.Diff(host, r.Hosts[0].Object); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(job, r.Jobs[0].Object); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(objects.Keyval{JobID: 7}, r.SuiteKeyvals[0].Object); diff != "" {
		t.Errorf("suite keyval (-want +got):\n%s", diff)
	}
}

func TestFieldLeftOutOrSent(t *testing.T) {
	const job = `{"id": 5, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "hostqueueentry_set": [%s]}`
	r := decodeOK(t, wrap("jobs", fmt.Sprintf(job, `{"id": 1, "status": "Queued"},
		{"id": 2, "status": "Queued", "aborted": 0, "meta_host": null, "host_id": null, "started_on": null},
		{"id": 3, "status": "Queued", "aborted": 1, "meta_host": {"id": 9, "name": "l"}, "host_id": 8}`)))
	if err := firstReason(r); err != nil {
		t.Fatal(err)
	}
	entries := r.Jobs[0].Object.Entries
	want := []objects.Entry{
		{ID: 1, Status: "Queued"},
		{ID: 2, Status: "Queued", Aborted: sent(false), MetaHost: sent[*objects.Label](nil)},
		{ID: 3, Status: "Queued", Aborted: sent(true), MetaHost: sent(&objects.Label{ID: 9, Name: "l"}), HostID: pointer(int64(8))},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sent[T any](value T) objects.Maybe[T] { return objects.Maybe[T]{Value: value, Sent: true} }

func TestUnknownFieldsAreIgnored(t *testing.T) {
	r := decodeOK(t, []byte(`{"jsonrpc": 1, "result": {"news": [1], "Hosts": 5,
		"hosts": [{"id": 1, "hostname": "h", "colour": {"deep": [null, "\u0000"]}, "HOSTNAME": 5, "shard_id": "x"}],
		"suite_keyvals": [{"job_id": 1, "key": "k", "value": "v", "extra": null}]}, "error": null}`))
	if err := firstReason(r); err != nil || len(r.Hosts) != 1 || len(r.SuiteKeyvals) != 1 {
		t.Errorf("%+v: %v", r, err)
	}
}

// Each host has its own lock reason: a pointer in the defaults once gave all of them the last
// one's.
func TestHostsHaveTheirOwnLockReason(t *testing.T) {
	body := `{"result": {"hosts": [{"id": 1, "hostname": "a", "lock_reason": "one"}, {"id": 2, "hostname": "b", "lock_reason": "two"},
		{"id": 3, "hostname": "c"}, {"id": 4, "hostname": "d", "lock_reason": null}], "jobs": [], "suite_keyvals": []}, "error": null}`
	r, failure := decode([]byte(body))
	if failure != nil {
		t.Fatal(failure)
	}
	for i, want := range []string{"one", "two", ""} {
		if got := r.Hosts[i].Object.LockReason; got == nil || *got != want {
			t.Errorf("host %d: lock reason %v, want %q", i+1, got, want)
		}
	}
	if got := r.Hosts[3].Object.LockReason; got != nil {
		t.Errorf("host 4: lock reason %q, want null", *got)
	}
}
