package afe

import (
	"fmt"
	"strings"
	"testing"

	"shardclient/runner/objects"

	"github.com/google/go-cmp/cmp"
)

// The reasons that an operator reads about objects that cannot be used. Each bad object stands
// between two good ones, which it must not harm (P6).
func TestReasons(t *testing.T) {
	job := func(field string) string {
		return `{"id": 7, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", ` + field + `}`
	}
	entry := func(fields string) string {
		return job(`"hostqueueentry_set": [{"id": 5, "status": "Queued"}, {` + fields + `}]`)
	}
	host := func(field string) string { return `{"id": 7, "hostname": "h", ` + field + `}` }
	long := strings.Repeat("x", 100)
	good := map[string]string{
		"jobs":          strings.Replace(job(`"x": 0`), "7", "1", 1),
		"hosts":         `{"id": 1, "hostname": "g"}`,
		"suite_keyvals": `{"job_id": 1}`,
	}
	tests := []struct {
		section, object string
		id              int64
		want            string
	}{
		// not an object
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
		// fields without a default
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
		// broken text
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
			got = append(got, received{o.ID, string(o.Raw), o.Err, cmp.Equal(o.Object, objects.Host{})})
		}
		for _, o := range r.Jobs {
			got = append(got, received{o.ID, string(o.Raw), o.Err, cmp.Equal(o.Object, objects.Job{})})
		}
		for _, o := range r.SuiteKeyvals {
			got = append(got, received{o.ID, string(o.Raw), o.Err, o.Object == objects.Keyval{}})
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
			t.Errorf("%s: id %d, raw %.80s, object kept: %t; want id %d, the text and nothing else",
				name, bad.id, bad.raw, !bad.zero, tt.id)
		}
	}
}
