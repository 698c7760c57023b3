package shard_test

import (
	"strings"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

const (
	usersHere = `SELECT string_agg(concat_ws(' ', id, login, access_level, reboot_before, reboot_after,
		coalesce(drone_set_id, 0), show_experimental), ', ' ORDER BY id) FROM afe_users`
	groupsHere = `SELECT string_agg(g.id || ' ' || g.name || ':' || coalesce((SELECT string_agg(u.login, ' ' ORDER BY u.login)
			FROM afe_acl_groups_users AS m JOIN afe_users AS u ON u.id = m.user_id WHERE m.aclgroup_id = g.id), '')
		|| '/' || coalesce((SELECT string_agg(m.host_id::text, ' ' ORDER BY m.host_id)
			FROM afe_acl_groups_hosts AS m WHERE m.aclgroup_id = g.id), ''), ', ' ORDER BY g.id) FROM afe_acl_groups AS g`
	shardsHere = `SELECT string_agg(s.id || ' ' || s.hostname || ':' || coalesce((SELECT string_agg(h.hostname, ' ' ORDER BY h.id)
			FROM afe_hosts AS h WHERE h.shard_id = s.id), ''), ', ' ORDER BY s.id) FROM afe_shards AS s`
)

// A user whose id comes to mean another login: the row is the master's, whole. The same login keeps
// what it has here.
func TestNobodyInheritsAnAccessLevel(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, `INSERT INTO afe_users (id, login, access_level, reboot_before, reboot_after, drone_set_id, show_experimental)
		VALUES (14, 'autotest_system', 100, 2, 2, 5, true), (15, 'alice', 100, 2, 2, 5, true), (16, 'bob', 0, 0, 0, NULL, false)`)
	carol := `{"id": 14, "login": "carol", "access_level": 0, "reboot_before": 1, "reboot_after": 0, "show_experimental": false}`
	// alice and bob have changed places.
	bob, alice := `{"id": 15, "login": "bob", "access_level": 7}`, `{"id": 16, "login": "alice", "access_level": 9}`
	master.saysResult(result([]string{labelled(1, 1, "l", 1, "g", carol, bob, alice)}, nil, nil))
	mustBeat(t, client)
	want := "14 carol 0 1 0 0 f, 15 bob 7 1 0 0 f, 16 alice 9 1 0 0 f"
	if got := pgtest.Query[string](t, pool, usersHere); got != want {
		t.Errorf("users %s\nwant  %s", got, want)
	}
	// From now on they are the same users: what is set here stays.
	pgtest.Exec(t, pool, "UPDATE afe_users SET access_level = 50 WHERE id = 15")
	mustBeat(t, client)
	if level := pgtest.Query[int](t, pool, "SELECT access_level FROM afe_users WHERE id = 15"); level != 50 {
		t.Errorf("bob's level became %d", level)
	}
}

// ACL groups whose names trade places end as the master has them, in one response, over two, and in
// chunks. The hosts of a group follow its id, and its users are those that the master sends: nobody
// gets into a group by its id.
func TestACLGroupsMayTradeNames(t *testing.T) {
	t.Parallel()
	group := func(host, id int, name string, users ...string) string {
		return labelled(host, 1, "l", id, name, users...)
	}
	alice, bob := user(1, "alice"), user(2, "bob")
	first := []string{group(1, 1, "a", alice), group(2, 2, "b", bob)}
	for name, tt := range map[string]struct {
		answers [][]string
		want    string
	}{
		"renamed":            {[][]string{{group(1, 1, "b", alice), group(2, 2, "a", bob)}}, "1 b:alice/1, 2 a:bob/2"},
		"made anew":          {[][]string{{group(1, 1, "b", bob), group(2, 2, "a", alice)}}, "1 b:bob/1, 2 a:alice/2"},
		"made anew over two": {[][]string{{group(1, 1, "b", bob)}, {group(2, 2, "a", alice)}}, "1 b:bob/1, 2 a:alice/2"},
		"renamed over two":   {[][]string{{group(1, 1, "b", alice)}, {group(2, 2, "a", bob)}}, "1 b:alice/1, 2 a:bob/2"},
		"three":              {[][]string{{group(1, 2, "c", bob), group(2, 3, "a", alice), group(3, 1, "b")}}, "1 b:/1 3, 2 c:bob/1 2, 3 a:alice/2"},
		"another name":       {[][]string{{group(1, 1, "c", bob)}}, "1 c:alice bob/1, 2 b:bob/2"},
		"beside a new one":   {[][]string{{group(1, 1, "c", alice), group(3, 9, "a", bob)}}, "1 c:alice/1, 2 b:bob/2, 9 a:bob/3"},
		"there and back":     {[][]string{{group(1, 1, "b", bob)}, {group(2, 2, "b", bob), group(1, 1, "a", alice)}}, "1 a:alice/1, 2 b:bob/2"},
	} {
		for _, chunk := range []int{1, 500} {
			t.Run(name, func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = chunk
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				for _, answer := range append([][]string{first}, tt.answers...) {
					master.saysResult(result(answer, nil, nil))
					if b := mustBeat(t, client); b.Quarantined != 0 {
						t.Errorf("set aside: %q", quarantine(t, pool))
					}
				}
				if got := pgtest.Query[string](t, pool, groupsHere); got != tt.want {
					t.Errorf("groups %s\nwant   %s", got, tt.want)
				}
			})
		}
	}
}

// Shards whose names trade places: hosts and jobs follow the ids, as the master says. Our own row
// is the one with our name.
func TestShardsMayTradeNames(t *testing.T) {
	t.Parallel()
	of := func(host, id int, name string) string {
		h := strings.Replace(labelled(host, 1, "l", 1, "g"), `"id": 1, "hostname": "`+ourShard, `"id": ID, "hostname": "`+ourShard, 1)
		return strings.NewReplacer("ID", map[int]string{1: "1", 2: "2"}[id], ourShard, name).Replace(h)
	}
	first := []string{of(1, 1, ourShard), of(2, 2, "other"), of(3, 2, "other")}
	for name, answers := range map[string][][]string{
		"at once":  {{of(1, 1, "other"), of(2, 2, ourShard)}},
		"over two": {{of(1, 1, "other")}, {of(2, 2, ourShard)}},
	} {
		for _, chunk := range []int{1, 500} {
			t.Run(name, func(t *testing.T) {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = chunk
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				for _, answer := range append([][]string{first}, answers...) {
					master.saysResult(result(answer, nil, nil))
					if b := mustBeat(t, client); b.Quarantined != 0 {
						t.Errorf("set aside: %q", quarantine(t, pool))
					}
				}
				want := "1 other:h1, 2 " + ourShard + ":h2 h3"
				if got := pgtest.Query[string](t, pool, shardsHere); got != want {
					t.Errorf("shards %s, want %s", got, want)
				}
				finish(t, pool, 7, "x")
				if b := mustBeat(t, client); b.UploadedJobs != 1 {
					t.Errorf("acknowledged %d jobs, want 1", b.UploadedJobs)
				}
				if id := pgtest.Query[int](t, pool, "SELECT shard_id FROM afe_jobs WHERE id = 7"); id != 2 {
					t.Errorf("the job is shard %d's", id)
				}
			})
		}
	}
}

// Two hosts of one answer that call a parent by two names: the first counts, and the other host
// waits for an answer that agrees. Otherwise one user would get the groups of the other, for good.
func TestNobodyInheritsThroughAContradiction(t *testing.T) {
	t.Parallel()
	for name, contradicting := range map[string]string{
		"a user":  labelled(2, 2, "m", 2, "h", user(3, "bob")),
		"a group": labelled(2, 2, "m", 1, "h", user(4, "bob")),
		"a label": labelled(2, 1, "m", 2, "h", user(4, "bob")),
	} {
		t.Run(name, func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(result([]string{labelled(1, 1, "l", 1, "g", user(3, "alice")), contradicting}, nil, nil))
			mustBeat(t, client)
			if got := quarantine(t, pool); len(got) != 1 || !strings.HasPrefix(got[0], "in host 2 duplicate_id: another ") {
				t.Errorf("set aside: %q; want host 2", got)
			}
			if got := pgtest.Query[string](t, pool, groupsHere); got != "1 g:alice/1" {
				t.Errorf("groups %s", got)
			}
			master.saysResult(result([]string{labelled(1, 1, "l", 1, "g", user(9, "alice")), labelled(2, 2, "m", 2, "h", user(3, "bob"))}, nil, nil))
			mustBeat(t, client)
			if got := pgtest.Query[string](t, pool, groupsHere); got != "1 g:alice/1, 2 h:bob/2" || len(quarantine(t, pool)) > 0 {
				t.Errorf("after answers that agree: groups %s, set aside: %q", got, quarantine(t, pool))
			}
		})
	}
}
