package shard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/afe"
	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
)

// labelled is a host with one label and one group, which has the given users.
func labelled(id int, labelID int, label string, groupID int, group string, users ...string) string {
	return fmt.Sprintf(`{"id": %d, "hostname": "h%d", "labels": [{"id": %d, "name": %q}],
		"aclgroup_set": [{"id": %d, "name": %q, "users": [%s]}], "shard": {"id": 1, "hostname": %q}}`,
		id, id, labelID, label, groupID, group, strings.Join(users, ","), ourShard)
}

func user(id int, login string) string { return fmt.Sprintf(`{"id": %d, "login": %q}`, id, login) }

// A label that was made here first has another id than the master's (docs/promises.md, "foreign
// ids"): it gives way without losing what it had.
func TestNamesGiveWay(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (id, hostname) VALUES (5, $1)", ourShard)
	pgtest.Exec(t, pool, "INSERT INTO afe_labels (id, name) VALUES (70, 'board:eve')")
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups (id, name) VALUES (71, 'Everyone')")
	pgtest.Exec(t, pool, "INSERT INTO afe_users (id, login) VALUES (72, 'alice'), (3, 'carol')")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname, shard_id, invalid) VALUES (10, 'valid', 5, false), (11, 'invalid', 5, true)")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (10, 70), (11, 70)")
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (10, 71), (11, 71)")
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups_users (user_id, aclgroup_id) VALUES (72, 71), (3, 71)")
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs (id, created_on, shard_id, owner) VALUES (20, now(), 5, 'alice'), (21, now(), 5, 'carol'), (22, now(), NULL, 'alice')")
	pgtest.Exec(t, pool, "INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (5, 70)")
	pgtest.Exec(t, pool, "INSERT INTO afe_host_queue_entries (id, job_id, complete) VALUES (20, 20, false), (21, 21, true), (22, 22, false)")
	pgtest.Exec(t, pool, "INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (20, 70), (21, 70)")

	// The master numbers all of them anew; its user 3 is alice, not carol.
	newcomer := labelled(12, 1, "board:eve", 2, "Everyone", user(3, "alice"), user(4, "dave"))
	master.saysResult(result([]string{newcomer}, nil, nil))
	mustBeat(t, client)
	for sql, want := range map[string]string{
		"SELECT string_agg(id || '=' || hostname, ', ' ORDER BY id) FROM afe_shards":                              "1=shard1.example, 5=shard1.example (was id 5)",
		"SELECT string_agg(id || '=' || name, ', ' ORDER BY id) FROM afe_labels":                                  "1=board:eve, 70=board:eve (was id 70)",
		"SELECT string_agg(id || '=' || name, ', ' ORDER BY id) FROM afe_acl_groups":                              "2=Everyone, 71=Everyone (was id 71)",
		"SELECT string_agg(id || '=' || login, ', ' ORDER BY id) FROM afe_users":                                  "3=alice, 4=dave, 72=alice (was id 72)",
		"SELECT string_agg(host_id::text, ' ' ORDER BY host_id) FROM afe_hosts_labels WHERE label_id = 1":         "10 12",
		"SELECT string_agg(host_id::text, ' ' ORDER BY host_id) FROM afe_acl_groups_hosts WHERE aclgroup_id = 2":  "10 12",
		"SELECT string_agg(job_id::text, ' ' ORDER BY job_id) FROM afe_jobs_dependency_labels WHERE label_id = 1": "20",
		"SELECT string_agg(id || '=' || shard_id, ' ' ORDER BY id) FROM afe_hosts":                                "10=1 11=5 12=1",
		"SELECT string_agg(id || '=' || coalesce(shard_id::text, 'NULL'), ' ' ORDER BY id) FROM afe_jobs":         "20=1 21=5 22=NULL",
		"SELECT string_agg(shard_id || ':' || label_id, ' ' ORDER BY label_id) FROM afe_shards_labels":            "1:1 1:70",
		"SELECT string_agg(owner, ' ' ORDER BY id) FROM afe_jobs":                                                 "alice carol alice",
		// alice keeps what alice had; carol's membership does not pass to her id's new login.
		"SELECT string_agg(aclgroup_id || ':' || user_id, ' ' ORDER BY aclgroup_id, user_id) FROM afe_acl_groups_users": "2:3 2:4 2:72 71:3 71:72",
	} {
		if got := pgtest.Query[string](t, pool, sql); got != want {
			t.Errorf("%s:\n\t%s, want\n\t%s", sql, got, want)
		}
	}
}

func TestAUsersMembershipsDoNotPassToAnotherLogin(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups (id, name) VALUES (9, 'secret')")
	pgtest.Exec(t, pool, "INSERT INTO afe_users (id, login) VALUES (1, 'alice'), (2, 'bob')")
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups_users (user_id, aclgroup_id) VALUES (1, 9)")
	// The master knows the two the other way round.
	master.saysResult(result([]string{labelled(1, 1, "l", 1, "g", user(1, "bob"), user(2, "alice"))}, nil, nil))
	mustBeat(t, client)
	got := pgtest.Query[string](t, pool, `SELECT string_agg(u.id || '=' || login || ':' || g.name, ' ' ORDER BY u.id, g.name)
		FROM afe_acl_groups_users m JOIN afe_users u ON u.id = m.user_id JOIN afe_acl_groups g ON g.id = m.aclgroup_id`)
	if want := "1=bob:g 2=alice:g 2=alice:secret"; got != want {
		t.Errorf("memberships: %s, want %s", got, want)
	}
}

// Labels that trade names were renamed by the master: what each had stays with it.
func TestLabelsMayTradeNames(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(1, 1, "a", 1, "g"), labelled(2, 2, "b", 1, "g")}, nil, nil))
	mustBeat(t, client)
	o := options()
	o.ApplyChunk = 1
	client.Close(t.Context())
	client = newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	master.saysResult(result([]string{labelled(3, 1, "b", 1, "g"), labelled(4, 2, "a", 1, "g")}, nil, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%d objects set aside", b.Quarantined)
	}
	got := pgtest.Query[string](t, pool, `SELECT string_agg(host_id || '=' || label_id || name, ' ' ORDER BY host_id, label_id)
		FROM afe_hosts_labels JOIN afe_labels l ON l.id = label_id`)
	if want := "1=1b 2=2a 3=1b 4=2a"; got != want {
		t.Errorf("labels: %s, want %s", got, want)
	}
}

// A response may name a removed label and a new one of the same name: the newer one has it.
func TestTwoIDsWithOneNameInAResponse(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(1, 8, "a", 1, "g"), labelled(2, 3, "a", 1, "g")}, nil, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%d objects set aside", b.Quarantined)
	}
	got := pgtest.Query[string](t, pool, "SELECT string_agg(id || '=' || name, ', ' ORDER BY id) FROM afe_labels")
	if want := "3=a (was id 3), 8=a"; got != want {
		t.Errorf("labels: %s, want %s", got, want)
	}
}

// An object that is set aside spoils no names, because everything that a response names is stored
// first. Users trade ids at once, however small the chunks are.
func TestNamesDoNotDependOnChunks(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.ApplyChunk = 1
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups (id, name) VALUES (9, 'secret')")
	pgtest.Exec(t, pool, "INSERT INTO afe_users (id, login) VALUES (1, 'alice'), (2, 'bob')")
	pgtest.Exec(t, pool, "INSERT INTO afe_acl_groups_users (user_id, aclgroup_id) VALUES (1, 9)")
	pgtest.Exec(t, pool, "INSERT INTO afe_labels (id, name) VALUES (1, 'a'), (2, 'b')")
	waiting := strings.Replace(job(1, entry(1, `"host_id": 99`)), `"dependency_labels": []`,
		`"dependency_labels": [{"id": 8, "name": "board:eve"}, {"id": 2, "name": "a"}]`, 1)
	master.saysResult(result([]string{
		labelled(1, 3, "board:eve", 1, "g", user(1, "bob")), labelled(2, 1, "b", 1, "g", user(2, "alice")),
	}, []string{waiting}, nil))
	if b := mustBeat(t, client); b.Quarantined != 1 {
		t.Errorf("%d objects set aside, want the job that waits", b.Quarantined)
	}
	for sql, want := range map[string]string{
		"SELECT string_agg(id || '=' || name, ' ' ORDER BY id) FROM afe_labels": "1=b 2=a 3=board:eve (was id 3) 8=board:eve",
		`SELECT string_agg(u.id || '=' || login || ':' || g.name, ' ' ORDER BY u.id, g.name)
			FROM afe_acl_groups_users m JOIN afe_users u ON u.id = m.user_id JOIN afe_acl_groups g ON g.id = m.aclgroup_id`: "1=bob:g 2=alice:g 2=alice:secret",
	} {
		if got := pgtest.Query[string](t, pool, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// A label that PostgreSQL cannot index harms only the object that names it.
func TestABadParentHarmsOnlyItsObject(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	var long strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&long, "%d", i*i*7919) // nothing that compresses well
	}
	var hosts []string
	for id := 1; id <= 20; id++ {
		hosts = append(hosts, labelled(id, 1, "l", 1, "g"))
	}
	master.saysResult(result(append(hosts, labelled(21, 1, long.String(), 1, "g")), nil, nil))
	if b := mustBeat(t, client); b.Quarantined != 1 || pgtest.Query[int](t, pool, "SELECT count(*) FROM afe_hosts_labels") != 20 {
		t.Errorf("%d objects set aside: %v", b.Quarantined, quarantine(t, pool))
	}
}

// A job that is here is aborted although its entry now names a host that is not here: the host of
// an existing entry is never written.
func TestAnAbortDoesNotWaitForAHost(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result(nil, []string{job(1, entry(1))}, nil))
	mustBeat(t, client)
	master.saysResult(result(nil, []string{job(1, entry(1, `"host_id": 99`, `"aborted": true`))}, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 || !pgtest.Query[bool](t, pool, "SELECT aborted FROM afe_host_queue_entries") {
		t.Errorf("%d objects set aside, or not aborted", b.Quarantined)
	}
}

// Hosts that are unknown, already invalid or named twice are removed in silence (docs/promises.md,
// "hosts removed twice"); entries of removed hosts are aborted, also those that come with the same
// answer.
func TestIncorrectHosts(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(1, 1, "l", 1, "g"), labelled(2, 1, "l", 1, "g")}, []string{
		job(1, entry(1, `"host_id": 1`), entry(2, `"host_id": 2`)), job(2, entry(3, `"host_id": 1`)),
	}, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true WHERE id = 3")
	newcomer := strings.Replace(labelled(5, 1, "l", 1, "g"), `"h5"`, `"h1"`, 1)
	master.saysResult(result([]string{newcomer}, []string{job(4, entry(4, `"host_id": 1`))}, nil, "1", "1", "99"))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("%d objects set aside", b.Quarantined)
	}
	hosts := pgtest.Query[string](t, pool, "SELECT string_agg(id || '=' || hostname || ' ' || invalid, ', ' ORDER BY id) FROM afe_hosts")
	if want := "1=h1 (was id 1) true, 2=h2 false, 5=h1 false"; hosts != want {
		t.Errorf("hosts: %s, want %s", hosts, want)
	}
	aborted := pgtest.Query[string](t, pool, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM afe_host_queue_entries WHERE aborted")
	if want := "1 4"; aborted != want {
		t.Errorf("aborted entries: %s, want %s", aborted, want)
	}
	before, err := replay.ReadSnapshot(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	mustBeat(t, client)
	after, err := replay.ReadSnapshot(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the same answer again (-before +after):\n%s", diff)
	}
}

// The flags of a new entry follow from its status, by Autotest's lists in docs/protocol.md,
// whatever the master sends.
func TestFlagsFollowFromTheStatus(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	want := map[string][2]bool{ // active, complete
		"Queued": {false, false}, "Starting": {true, false}, "Resetting": {true, false}, "Verifying": {true, false},
		"Provisioning": {true, false}, "Pending": {true, false}, "Running": {true, false}, "Gathering": {true, false},
		"Cleaning": {true, false}, "Parsing": {false, false}, "Archiving": {false, false}, "Aborted": {false, true},
		"Completed": {false, true}, "Failed": {false, true}, "Stopped": {false, true}, "Template": {false, true},
		"": {false, false}, "completed": {false, false},
	}
	var entries []string
	for status, flags := range want {
		sent := fmt.Sprintf(`"active": %t, "complete": %t`, !flags[0], !flags[1])
		entries = append(entries, strings.Replace(entry(len(entries)+1, sent), `"Queued"`, fmt.Sprintf("%q", status), 1))
	}
	master.saysResult(result(nil, []string{job(1, entries...)}, nil))
	mustBeat(t, client)
	for status, flags := range want {
		active := pgtest.Query[bool](t, pool, "SELECT active FROM afe_host_queue_entries WHERE status = $1", status)
		complete := pgtest.Query[bool](t, pool, "SELECT complete FROM afe_host_queue_entries WHERE status = $1", status)
		if got := [2]bool{active, complete}; got != flags {
			t.Errorf("%q: active, complete = %v, want %v", status, got, flags)
		}
	}
}

// A request that may still be stored late is not forgotten because the master named its job
// meanwhile (docs/promises.md, "late request").
func TestResyncDoesNotForgetALateRequest(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	jobs := []string{job(1, entry(1), entry(2))}
	master.saysResult(result(nil, jobs, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 1")
	pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = NULL")
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	if b := client.Beat(t.Context(), time.Now()); b.OK() {
		t.Fatal("the answer was to be lost")
	}
	master.saysResult(result(nil, jobs, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET complete = true WHERE id = 2")
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
	pass(t, pool, 31*time.Minute)
	if b := mustBeat(t, client); b.UploadedJobs != 1 {
		t.Errorf("uploaded %d jobs once the late request must be dead, want 1", b.UploadedJobs)
	}
}

// docs/promises.md, "overwritten NULL": the master sends a job that was completed here meanwhile.
func TestResync(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	jobs := []string{job(1, entry(1))}
	master.saysResult(result(nil, jobs, nil))
	mustBeat(t, client)
	pgtest.Exec(t, pool, "UPDATE afe_host_queue_entries SET status = 'Completed', complete = true")
	master.saysResult(result(nil, jobs, nil))
	mustBeat(t, client)
	if !pgtest.Query[bool](t, pool, "SELECT shard_id IS NULL FROM afe_jobs") {
		t.Error("the master does not know that job 1 ended here, and it is not marked for upload")
	}
	master.saysResult(result(nil, nil, nil))
	if b := mustBeat(t, client); b.UploadedJobs != 1 || b.UploadedEntries != 1 {
		t.Errorf("uploaded %d jobs, %d entries; want 1 and 1", b.UploadedJobs, b.UploadedEntries)
	}
	if b := mustBeat(t, client); b.UploadedJobs != 0 || b.KnownJobs != 0 {
		t.Errorf("uploaded %d jobs again, knows %d", b.UploadedJobs, b.KnownJobs)
	}
}
