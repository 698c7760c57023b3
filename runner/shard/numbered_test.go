package shard_test

import (
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
)

// The scheduler's first statement makes a user of its own. It gets an id that the master has not
// given out, and so does every row that is made here after a beat.
func TestLocalRowsAreNumberedPastTheMasters(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(12, 30, "board:eve", 9, "Everyone", user(1, "alice"), user(2, "bob"))},
		[]string{job(40, entry(400))}, nil))
	mustBeat(t, client)
	for sql, want := range map[string]int64{
		"INSERT INTO afe_users (login) VALUES ('autotest_system') RETURNING id":              3,
		"INSERT INTO afe_labels (name) VALUES ('l') RETURNING id":                            31,
		"INSERT INTO afe_acl_groups (name) VALUES ('g') RETURNING id":                        10,
		"INSERT INTO afe_hosts (hostname) VALUES ('h') RETURNING id":                         13,
		"INSERT INTO afe_jobs (created_on) VALUES (now()) RETURNING id":                      41,
		"INSERT INTO afe_host_queue_entries (job_id) VALUES (40) RETURNING id":               401,
		"INSERT INTO afe_shards (hostname) VALUES ('s') RETURNING id":                        2,
		"INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 30) RETURNING id":     1,
		"INSERT INTO afe_host_attributes (host_id, attribute) VALUES (12, 'a') RETURNING id": 1,
	} {
		if id := pgtest.Query[int64](t, pool, sql); id != want {
			t.Errorf("%s: %d, want %d", sql, id, want)
		}
	}
}

// After a copy of rows with their ids, the next memberships are stored.
func TestMembershipsAfterACopyOfRows(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, `SET session_replication_role = replica;
		INSERT INTO afe_labels (id, name) SELECT i, 'l' || i FROM generate_series(1, 50) AS i;
		INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h1');
		INSERT INTO afe_hosts_labels (id, host_id, label_id) SELECT i, 1, i FROM generate_series(1, 50) AS i`)
	pool.Reset()
	master.saysResult(result([]string{labelled(2, 1, "l1", 1, "g"), labelled(3, 2, "l2", 1, "g")}, nil, nil))
	if b := mustBeat(t, client); b.Quarantined != 0 {
		t.Errorf("set aside: %q", quarantine(t, pool))
	}
}

// Where even that does not help, the beat fails: no object is to blame for a number that it does
// not have.
func TestADuplicateOfOurOwnNumberIsNoObjectsFault(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	pgtest.Exec(t, pool, "ALTER TABLE afe_hosts_labels DISABLE TRIGGER USER")
	pgtest.Exec(t, pool, "INSERT INTO afe_labels (id, name) SELECT i, 'l' || i FROM generate_series(1, 50) AS i")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h1')")
	pgtest.Exec(t, pool, "INSERT INTO afe_hosts_labels (id, host_id, label_id) SELECT i, 1, i FROM generate_series(1, 50) AS i")
	master.saysResult(result([]string{labelled(2, 1, "l1", 1, "g"), labelled(3, 2, "l2", 1, "g")}, nil, nil))
	b := client.Beat(t.Context(), time.Now())
	if b.Failure != beat.FailureDatabase || b.Quarantined != 0 || len(quarantine(t, pool)) != 0 {
		t.Errorf("%s: %s; set aside %q", b.Failure, b.Error, quarantine(t, pool))
	}
}
