package afe

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// firstReason is the first thing in a response that could not be used.
func firstReason(r *Response) error {
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
	count := func(r *Response) (c counts) {
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
	if got, want := count(response), (counts{hosts: 100, jobs: 1000, entries: 1250, keyvals: 3000, suite: 3}); got != want || firstReason(response) != nil {
		t.Errorf("large: %+v, want %+v; %v", got, want, firstReason(response))
	}
}

// Each object of the 2019 recording, whole.
func TestRecordedObjects(t *testing.T) {
	at := func(s string) Time {
		parsed, err := ParseTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return Time{parsed}
	}
	_, body := recordedResponse(t, recorded(t, "01*.response.http")["2019/01_first_heartbeat.response.http"])
	r := decodeOK(t, body)
	var job *Job
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
	var host *Host
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

// What is left out has the defaults of docs/protocol.md, "Tables".
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
	host := Host{
		ID: 1, Hostname: "h", Status: "Ready", Leased: true, Dirty: true, LockReason: pointer(""), Labels: []Label{{ID: 2, Name: "l"}},
		ACLGroups:  []ACLGroup{{ID: 3, Name: "g", Users: []User{{ID: 4, Login: "u", RebootBefore: 1}}}},
		Attributes: Sent([]Attribute{{}}),
	}
	job := Job{
		ID: 5, Owner: "o", Name: "n", CreatedOn: Time{time.Date(2019, 3, 15, 11, 30, 15, 0, time.UTC)}, Priority: 40,
		ControlType: 2, Timeout: 24, TimeoutMins: 1440, MaxRuntimeHrs: 72, MaxRuntimeMins: 4320, RunReset: true, RebootBefore: 1,
		Entries: []Entry{{ID: 6, Status: "Queued"}},
	}
	if diff := cmp.Diff(host, r.Hosts[0].Object); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(job, r.Jobs[0].Object); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Keyval{JobID: 7}, r.SuiteKeyvals[0].Object); diff != "" {
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
	want := []Entry{
		{ID: 1, Status: "Queued"},
		{ID: 2, Status: "Queued", Aborted: Sent(false), MetaHost: Sent[*Label](nil)},
		{ID: 3, Status: "Queued", Aborted: Sent(true), MetaHost: Sent(&Label{ID: 9, Name: "l"}), HostID: pointer(int64(8))},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if first, second := entries[0].Aborted.OrNil(), entries[1].Aborted.OrNil(); first != nil || second == nil || *second {
		t.Error("OrNil must be nil for what was left out, and only for that")
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	r := decodeOK(t, []byte(`{"jsonrpc": 1, "result": {"news": [1], "Hosts": 5,
		"hosts": [{"id": 1, "hostname": "h", "colour": {"deep": [null, "\u0000"]}, "HOSTNAME": 5, "shard_id": "x"}],
		"suite_keyvals": [{"job_id": 1, "key": "k", "value": "v", "extra": null}]}, "error": null}`))
	if err := firstReason(r); err != nil || len(r.Hosts) != 1 || len(r.SuiteKeyvals) != 1 {
		t.Errorf("%+v: %v", r, err)
	}
}

// What an operator reads about an object that cannot be used. Each bad object
// stands between two good ones, which it must not harm (P6).
func TestReasons(t *testing.T) {
	job := func(field string) string {
		return `{"id": 7, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", ` + field + `}`
	}
	entry := func(fields string) string {
		return job(`"hostqueueentry_set": [{"id": 5, "status": "Queued"}, {` + fields + `}]`)
	}
	host := func(field string) string { return `{"id": 7, "hostname": "h", ` + field + `}` }
	long := strings.Repeat("x", 100)
	good := map[string]string{"jobs": strings.Replace(job(`"x": 0`), "7", "1", 1), "hosts": `{"id": 1, "hostname": "g"}`, "suite_keyvals": `{"job_id": 1}`}
	tests := []struct {
		section, object string
		id              int64
		want            string
	}{
		// no object
		{"jobs", `null`, 0, `want an object, got null`},
		{"jobs", `5`, 0, `want an object, got 5`},
		{"hosts", `"x"`, 0, `want an object, got "x"`},
		{"suite_keyvals", `[]`, 0, `want an object, got a list`},
		{"jobs", `true`, 0, `want an object, got a boolean`},
		{"hosts", `"` + long + `"`, 0, `want an object, got "` + long[:59] + `…`},
		// id
		{"jobs", `{}`, 0, `id: is missing`},
		{"hosts", `{"ID": 7, "hostname": "h"}`, 0, `id: is missing`},
		{"jobs", `{"id": 0}`, 0, `id: want a positive id, got 0`},
		{"jobs", `{"id": -3}`, 0, `id: want a positive id, got -3`},
		{"jobs", `{"id": 9223372036854775808}`, 0, `id: 9223372036854775808: value out of range`},
		{"jobs", `{"id": 1.5}`, 0, `id: 1.5: want a whole number`},
		{"jobs", `{"id": 1e3}`, 0, `id: 1e3: want a whole number`},
		{"jobs", `{"id": 1` + strings.Repeat("0", 100) + `}`, 0, `id: 1` + strings.Repeat("0", 59) + `…: value out of range`},
		{"hosts", `{"id": "7"}`, 0, `id: want a whole number, got "7"`},
		{"hosts", `{"id": null}`, 0, `id: want a whole number, got null`},
		{"suite_keyvals", `{"key": "k"}`, 0, `job_id: is missing`},
		{"suite_keyvals", `{"id": 4, "job_id": 0}`, 4, `job_id: want a positive id, got 0`},
		{"suite_keyvals", `{"id": -4, "job_id": "0"}`, 0, `job_id: want a whole number, got "0"`},
		// what has no default
		{"jobs", `{"id": 7}`, 7, `owner: is missing`},
		{"jobs", `{"id": 7, "owner": "o"}`, 7, `name: is missing`},
		{"jobs", `{"id": 7, "owner": "o", "name": ""}`, 7, `created_on: is missing`},
		{"hosts", `{"id": 7}`, 7, `hostname: is missing`},
		{"jobs", entry(``), 7, `hostqueueentry_set[1].id: is missing`},
		{"jobs", entry(`"id": 6`), 7, `hostqueueentry_set[1].status: is missing`},
		{"jobs", entry(`"id": 6, "status": "Queued", "meta_host": {}`), 7, `hostqueueentry_set[1].meta_host.id: is missing`},
		{"jobs", job(`"dependency_labels": [{"id": 5}]`), 7, `dependency_labels[0].name: is missing`},
		{"jobs", job(`"shard": {}`), 7, `shard.id: is missing`},
		{"hosts", host(`"shard": {"id": 5}`), 7, `shard.hostname: is missing`},
		{"hosts", host(`"labels": [{"id": 1, "name": "l"}, {"name": "m"}]`), 7, `labels[1].id: is missing`},
		{"hosts", host(`"aclgroup_set": [{"id": 1}]`), 7, `aclgroup_set[0].name: is missing`},
		{"hosts", host(`"aclgroup_set": [{"id": 1, "name": "g", "users": [{"id": 2}]}]`), 7, `aclgroup_set[0].users[0].login: is missing`},
		// null
		{"jobs", job(`"priority": null`), 7, `priority: want a whole number, got null`},
		{"jobs", job(`"email_list": null`), 7, `email_list: want a string, got null`},
		{"jobs", job(`"run_reset": null`), 7, `run_reset: want true or false, got null`},
		{"jobs", job(`"hostqueueentry_set": null`), 7, `hostqueueentry_set: want a list, got null`},
		{"jobs", job(`"hostqueueentry_set": [null]`), 7, `hostqueueentry_set[0]: want an object, got null`},
		{"jobs", job(`"jobkeyval_set": null`), 7, `jobkeyval_set: want a list, got null`},
		{"jobs", job(`"dependency_labels": null`), 7, `dependency_labels: want a list, got null`},
		{"jobs", entry(`"id": 6, "status": null`), 7, `hostqueueentry_set[1].status: want a string, got null`},
		{"jobs", entry(`"id": 6, "status": "Queued", "aborted": null`), 7, `hostqueueentry_set[1].aborted: want true or false, got null`},
		{"jobs", `{"id": 7, "created_on": null}`, 7, `created_on: want a string, got null`},
		{"hosts", host(`"labels": null`), 7, `labels: want a list, got null`},
		{"hosts", host(`"aclgroup_set": null`), 7, `aclgroup_set: want a list, got null`},
		{"hosts", host(`"aclgroup_set": [{"id": 1, "name": "g", "users": null}]`), 7, `aclgroup_set[0].users: want a list, got null`},
		{"hosts", host(`"hostattribute_set": null`), 7, `hostattribute_set: want a list, got null`},
		{"hosts", host(`"invalid": null`), 7, `invalid: want true or false, got null`},
		// wrong type
		{"jobs", job(`"priority": "high"`), 7, `priority: want a whole number, got "high"`},
		{"jobs", job(`"priority": true`), 7, `priority: want a whole number, got a boolean`},
		{"jobs", job(`"priority": 2147483648`), 7, `priority: 2147483648: value out of range`},
		{"jobs", job(`"priority": 20.0`), 7, `priority: 20.0: want a whole number`},
		{"jobs", job(`"name2": 1, "email_list": 5`), 7, `email_list: want a string, got 5`},
		{"jobs", job(`"run_reset": 2`), 7, `run_reset: want true or false, got 2`},
		{"jobs", job(`"run_reset": 1.0`), 7, `run_reset: want true or false, got 1.0`},
		{"jobs", job(`"run_reset": "true"`), 7, `run_reset: want true or false, got "true"`},
		{"jobs", job(`"require_ssp": {}`), 7, `require_ssp: want true or false, got an object`},
		{"jobs", job(`"hostqueueentry_set": {}`), 7, `hostqueueentry_set: want a list, got an object`},
		{"jobs", job(`"shard": "shard1"`), 7, `shard: want an object, got "shard1"`},
		{"jobs", entry(`"id": 6, "status": "Queued", "host_id": "h"`), 7, `hostqueueentry_set[1].host_id: want a whole number, got "h"`},
		{"jobs", entry(`"id": 6, "status": "Queued", "host_id": 0`), 7, `hostqueueentry_set[1].host_id: want a positive id, got 0`},
		{"jobs", entry(`"id": 6, "status": "Queued", "meta_host": []`), 7, `hostqueueentry_set[1].meta_host: want an object, got a list`},
		{"jobs", entry(`"id": 6, "status": "Queued", "started_on": 5`), 7, `hostqueueentry_set[1].started_on: want a string, got 5`},
		{"jobs", entry(`"id": 6, "status": "Queued", "started_on": "2019-03-15T11:30:15Z"`), 7,
			`hostqueueentry_set[1].started_on: want a time without zone like 2019-03-15T11:30:15, got "2019-03-15T11:30:15Z"`},
		{"jobs", entry(`"id": 5, "status": "Queued"`), 7, `hostqueueentry_set[1].id: entry 5 stands in the job twice`},
		{"hosts", host(`"lock_time": "never"`), 7, `lock_time: want a time without zone like 2019-03-15T11:30:15, got "never"`},
		{"hosts", host(`"hostattribute_set": [{"attribute": "a", "value": 5}]`), 7, `hostattribute_set[0].value: want a string, got 5`},
		{"suite_keyvals", `{"job_id": 7, "value": 5}`, 0, `value: want a string, got 5`},
		// text that is none
		{"jobs", job(`"email_list": "a\u0000b"`), 7, `email_list: contains a NUL character, which PostgreSQL cannot store`},
		{"jobs", `{"id": 7, "owner": "\u0000"}`, 7, `owner: contains a NUL character, which PostgreSQL cannot store`},
		{"jobs", job("\"email_list\": \"a\xffb\""), 7, `email_list: invalid UTF-8`},
		{"jobs", job(`"email_list": "\ud800"`), 7, "email_list: invalid surrogate pair `\\ud800\"}` in string"},
		{"hosts", "{\"id\": 7, \"hostname\": \"h\", \"\xff\": 1}", 7, `invalid UTF-8`},
		{"hosts", `{"id": 7, "hostname": "h", "hostname": "h"}`, 7, `hostname: duplicate object member name`},
		{"jobs", job(`"x": {"a": [{"b": 1, "b": 1}]}`), 7, `x.a[0].b: duplicate object member name`},
		{"jobs", job(`"x": ` + strings.Repeat(`[`, 5000) + `"` + "\xff" + `"` + strings.Repeat(`]`, 5000)), 7,
			`x` + strings.Repeat(`[0]`, 66) + `[…: invalid UTF-8`},
	}
	for _, tt := range tests {
		name := fmt.Sprintf("%s: %.120s", tt.section, tt.object)
		r := decodeOK(t, wrap(tt.section, good[tt.section]+", "+tt.object+", "+good[tt.section]))
		type received struct {
			id   int64
			raw  string
			err  error
			zero bool
		}
		var got []received
		for _, o := range r.Hosts {
			got = append(got, received{o.ID, string(o.Raw), o.Err, cmp.Equal(o.Object, Host{})})
		}
		for _, o := range r.Jobs {
			got = append(got, received{o.ID, string(o.Raw), o.Err, cmp.Equal(o.Object, Job{})})
		}
		for _, o := range r.SuiteKeyvals {
			got = append(got, received{o.ID, string(o.Raw), o.Err, o.Object == Keyval{}})
		}
		if len(got) != 3 || len(r.Malformed) != 0 {
			t.Errorf("%s: %d objects, %v malformed", name, len(got), r.Malformed)
			continue
		}
		if got[0].err != nil || got[2].err != nil || got[0].zero || got[2].zero {
			t.Errorf("%s: harmed its neighbours: %v, %v", name, got[0].err, got[2].err)
		}
		bad := got[1]
		if bad.err == nil || bad.err.Error() != tt.want {
			t.Errorf("%s:\ngot  %v\nwant %s", name, bad.err, tt.want)
		}
		if bad.id != tt.id || bad.raw != tt.object || !bad.zero {
			t.Errorf("%s: id %d, raw %.80s, object kept: %t; want id %d, the text and nothing else", name, bad.id, bad.raw, !bad.zero, tt.id)
		}
	}
}

func TestMalformedSections(t *testing.T) {
	r := decodeOK(t, []byte(`{"result": {"hosts": {"1": {}}, "jobs": null, "suite_keyvals": [{"job_id": 1}], "incorrect_host_ids": "3"}}`))
	want := []Malformed{
		{"hosts", []byte(`{"1": {}}`), errors.New("hosts is an object, want a list")},
		{"jobs", []byte(`null`), errors.New("jobs is null, want a list")},
		{"incorrect_host_ids", []byte(`"3"`), errors.New("incorrect_host_ids is a string, want a list")},
	}
	if diff := cmp.Diff(want, r.Malformed, cmp.Comparer(sameText)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.SuiteKeyvals) != 1 || r.Hosts != nil || r.Jobs != nil || r.IncorrectHostIDs != nil {
		t.Errorf("%+v: want the good section and no other", r)
	}
}

func sameText(a, b error) bool { return a.Error() == b.Error() }

func TestIncorrectHostIDs(t *testing.T) {
	r := decodeOK(t, wrap("incorrect_host_ids", `3, "4", null, -5, 0, 6.5, [], {}, true, 9223372036854775808, 3, 7`))
	if diff := cmp.Diff([]int64{3, 3, 7}, r.IncorrectHostIDs); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	want := []string{
		`"4" want a whole number, got "4"`, `null want a whole number, got null`, `-5 id: want a positive id, got -5`,
		`0 id: want a positive id, got 0`, `6.5 6.5: want a whole number`, `[] want a whole number, got a list`,
		`{} want a whole number, got an object`, `true want a whole number, got a boolean`,
		`9223372036854775808 9223372036854775808: value out of range`,
	}
	var got []string
	for _, m := range r.Malformed {
		got = append(got, fmt.Sprintf("%s %v", m.Raw, m.Err))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// Tiny objects take some hundred times their text in memory (P9).
func TestTooManyObjects(t *testing.T) {
	defer func(limit int) { maxObjects = limit }(maxObjects)
	maxObjects = 3
	r := decodeOK(t, []byte(`{"result": {"incorrect_host_ids": [1, 2, 3, 4, 5], "hosts": [1, 2, 3], "suite_keyvals": [{"job_id": 1}, 0, 0, 0]}}`))
	if len(r.IncorrectHostIDs) != 3 || len(r.Hosts) != 3 || len(r.SuiteKeyvals) != 3 || r.SuiteKeyvals[0].Err != nil {
		t.Errorf("%d ids, %d hosts, %d keyvals, want the first 3 of each", len(r.IncorrectHostIDs), len(r.Hosts), len(r.SuiteKeyvals))
	}
	var got []string
	for _, m := range r.Malformed {
		got = append(got, m.Err.Error())
	}
	want := []string{
		"suite_keyvals has more than 3 objects; the rest is left out",
		"incorrect_host_ids has more than 3 objects; the rest is left out",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvelope(t *testing.T) {
	deep := strings.Repeat("[", 20_000)
	tests := []struct{ body, want string }{ // want "": a result
		{idle, ""},
		{`{"result": {}}`, ""},
		{`{"id": null, "result": {"jobs": []}, "error": null}`, ""},
		{"\n {\"result\": {}}\r\n", ""},
		{``, `nothing came`},
		{`  `, `unexpected EOF`},
		{`<html><body>It works!</body></html>`, `invalid character '<' at start of value`},
		{"\x1f\x8b\x08\x00", `invalid character '\x1f' at start of value`},
		{"\ufeff{}", `invalid character '\ufeff' at start of value`},
		{`{"result": {"jobs": [{"id": 1}, {"id"`, `result.jobs[1].id: unexpected EOF`},
		{`{"result": {"jobs": [}}`, `result.jobs[0]: invalid character '}' at start of value`},
		{`{"result": {}} trailer`, `invalid character 't' after top-level value`},
		{`null`, `it has neither result nor error`},
		{`{}`, `it has neither result nor error`},
		{`[]`, `cannot use a list here`},
		{`5`, `cannot use a number here`},
		{`{"error": null, "result": null}`, `result is null, want an object`},
		{`{"result": []}`, `result is a list, want an object`},
		{`{"result": "ok"}`, `result is a string, want an object`},
		{deep, `cannot use a list here`},
		{`{"result": ` + deep, `result` + strings.Repeat(`[0]`, 64) + `[0…: exceeded max depth`},
		{`{"result": {"jobs": ` + deep, `result.jobs` + strings.Repeat(`[0]`, 63) + `…: exceeded max depth`},
	}
	for _, tt := range tests {
		response, err := decode([]byte(tt.body))
		if tt.want == "" {
			if err != nil || response == nil {
				t.Errorf("%.60q: %v", tt.body, err)
			}
			continue
		}
		if err == nil || err.Class != Undecodable || err.Err.Error() != tt.want {
			t.Errorf("%.60q:\ngot  %v\nwant %s", tt.body, err, tt.want)
			continue
		}
		if err.Body != tt.body[:min(len(tt.body), 512)] {
			t.Errorf("%.60q: error keeps %d bytes of the body", tt.body, len(err.Body))
		}
	}
}

// Each host has its own reason: a pointer in the defaults once led all of them to the last one's.
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
