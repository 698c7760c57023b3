package shard_test

import (
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// A field that the master leaves out keeps its value here, also when another field of the same
// object changes; a null is a value. An entry has no shard and a host no meta host, so each of the
// four has its own case.
func TestP5LeftOutMeansKeep(t *testing.T) {
	t.Parallel()
	const (
		shards     = "SELECT concat_ws(' ', invalid, shard_id) FROM afe_hosts"
		attributes = "SELECT concat(string_agg(attribute || '=' || value, ' ' ORDER BY id)) FROM afe_host_attributes"
		jobShard   = "SELECT concat_ws(' ', shard_id) FROM afe_jobs"
		metaHost   = "SELECT concat_ws(' ', aborted, meta_host) FROM afe_host_queue_entries"
	)
	host := func(more string) string {
		return result([]string{`{"id": 1, "hostname": "h1"` + more + `}`}, nil, nil)
	}
	job := func(more, entry string) string {
		return result(nil, []string{`{"id": 1, "owner": "o", "name": "n", "created_on": "2019-01-01T00:00:00"` + more +
			`, "hostqueueentry_set": [{"id": 1, "status": "Queued"` + entry + `}]}`}, nil)
	}
	for name, tt := range map[string]struct{ answer, look, want string }{
		"a host's shard":                    {host(`, "invalid": true`), shards, "t 1"},
		"a host's shard, and nothing else":  {host(""), shards, "f 1"},
		"a host's shard that is null":       {host(`, "shard": null`), shards, "f"},
		"a host's attributes":               {host(`, "invalid": true`), attributes, "k=v"},
		"a host's attributes that are none": {host(`, "hostattribute_set": []`), attributes, ""},
		"a job's shard":                     {job("", `, "aborted": true`), jobShard, "1"},
		"a job's shard that is null":        {job(`, "shard": null`, ""), jobShard, ""},
		"an entry's meta host":              {job("", `, "aborted": true`), metaHost, "t 1"},
		"an entry's meta host, and aborted": {job("", ""), metaHost, "f 1"},
		"an entry's meta host that is null": {job("", `, "meta_host": null`), metaHost, "f"},
		"an entry's abort":                  {job("", `, "meta_host": {"id": 2, "name": "b"}`), metaHost, "f 2"},
	} {
		t.Run(name, func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(firstAnswer)
			mustBeat(t, client)
			pgtest.Exec(t, pool, "DELETE FROM afe_host_attributes WHERE attribute = 'gone'")
			master.saysResult(tt.answer)
			mustBeat(t, client)
			if got := pgtest.Query[string](t, pool, tt.look); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
