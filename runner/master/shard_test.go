package master_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// The original looks the shard up by its id when it is sent a number.
func TestShardIsFoundByNameOrID(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 1)
	url := serve(t, pool, afe.Protocol2019)
	for _, c := range []struct{ sent, want string }{
		{`"one"`, ""}, {`2`, ""}, {`true`, ""},
		{`"1"`, "DoesNotExist: Shard matching query does not exist. Lookup parameters were {'hostname': '1'}"},
		{`"ONE"`, "DoesNotExist: Shard matching query does not exist. Lookup parameters were {'hostname': 'ONE'}"},
		{`77`, "DoesNotExist: Shard matching query does not exist. Lookup parameters were {'pk': 77}"},
		{`null`, "ValueError: Invalid positional argument: None (<type 'NoneType'>)"},
		{`1.5`, "ValueError: Invalid positional argument: 1.5 (<type 'float'>)"},
		{`["one"]`, "ValueError: Invalid positional argument: ['one'] (<type 'list'>)"},
	} {
		r := call(t, url, heartbeat(`{"shard_hostname": `+c.sent+`}`))
		got := ""
		if r.Error != nil {
			got = r.Error.Name + ": " + r.Error.Message
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.sent, got, c.want)
		}
	}
}

// Known ids may be sent as whatever int() of Python accepts.
func TestKnownIDsAsTexts(t *testing.T) {
	for _, protocol := range protocols {
		pool := pgtest.Pool(t)
		loadShared(t, pool, 3)
		statuses := ""
		if protocol == afe.Protocol2019 {
			statuses = `, "known_host_statuses": ["Ready", "Ready", "Ready"]`
		}
		r := call(t, serve(t, pool, protocol), heartbeat(
			`{"shard_hostname": "one", "known_job_ids": ["1", " 2", 3.0], "known_host_ids": ["1", 2.0, "3 "]`+statuses+`}`))
		if diff := cmp.Diff([][]int64{{}, {}}, [][]int64{ids(t, r, "jobs"), ids(t, r, "hosts")}); diff != "" {
			t.Errorf("%s: jobs and hosts that were known (-want +sent):\n%s", protocol, diff)
		}
	}
}

// MariaDB compares names without case and trailing spaces: the shard, the user and the group of all
// users are found, and nobody is made twice. The answer spells the shard as the tables do.
func TestNamesCompareWithoutCaseWhereTold(t *testing.T) {
	pool := pgtest.Pool(t)
	loadShared(t, pool, 1)
	pgtest.Exec(t, pool, "UPDATE afe_shards SET hostname = 'Shard.One' WHERE id = 1; INSERT INTO afe_acl_groups (id, name) VALUES (1, 'EVERYONE')")
	url := serveWith(t, pool, master.Options{Protocol: afe.Protocol2019, NocaseNames: true})
	for _, name := range []string{"Shard.One", "shard.one", "SHARD.ONE", "shard.one  "} {
		for _, user := range []string{"chromeos-test", "ChromeOS-Test", "CHROMEOS-TEST"} {
			r, err := post(t.Context(), url, user, heartbeat(fmt.Sprintf(
				`{"shard_hostname": %q, "known_host_ids": [1], "known_host_statuses": ["%s by %s"]}`, name, name, user)))
			if err != nil || r.Error != nil || !strings.Contains(string(r.body), `"hostname":"Shard.One"`) {
				t.Errorf("%q as %s: %v %s", name, user, err, r.body)
			}
		}
	}
	if r, err := post(t.Context(), url, "newcomer", heartbeat(`{"shard_hostname": "shard.one"}`)); err != nil || r.Error != nil {
		t.Fatalf("%v %s", err, r.body)
	}
	const users = "SELECT string_agg(u.login || coalesce(' in ' || gu.aclgroup_id, ''), ', ' ORDER BY u.id) FROM afe_users AS u LEFT JOIN afe_acl_groups_users AS gu ON gu.user_id = u.id"
	if got := pgtest.Query[string](t, pool, users); got != "chromeos-test, newcomer in 1" {
		t.Errorf("users %q", got)
	}
	for _, name := range []string{" shard.one", "shard.one.", "shard.on"} {
		r := call(t, url, heartbeat(fmt.Sprintf(`{"shard_hostname": %q}`, name)))
		if r.Error == nil || r.Error.Name != "DoesNotExist" {
			t.Errorf("%q: %s, want DoesNotExist", name, r.body)
		}
	}
	pgtest.Exec(t, pool, "UPDATE afe_shards SET hostname = 'SHARD.one' WHERE id = 2")
	r := call(t, url, heartbeat(`{"shard_hostname": "shard.one"}`))
	const want = "get() returned more than one Shard -- it returned 2! Lookup parameters were {'hostname': 'shard.one'}"
	if r.Error == nil || r.Error.Name != "MultipleObjectsReturned" || r.Error.Message != want {
		t.Errorf("two shards: %s, want %s", r.body, want)
	}
}
