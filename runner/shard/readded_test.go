package shard_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

const hostsHere = `SELECT string_agg(id || ' ' || hostname || CASE WHEN invalid THEN ' invalid' ELSE '' END, ', ' ORDER BY id) FROM afe_hosts`

// readdedHost has host 5, called a, with an open entry. On the master it is gone, and host 9 has
// its name: the master refuses a packet that names host 5 as known, in the given words.
func readdedHost(t *testing.T, refusal string) *pgxpool.Pool {
	t.Helper()
	pool, master := pgtest.Pool(t), newMaster(t)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	master.saysResult(result([]string{labelled(5, 1, "l", 1, "g")}, []string{job(1, entry(1, `"host_id": 5`))}, nil))
	mustBeat(t, client)
	again := strings.Replace(labelled(9, 1, "l", 1, "g"), `"h9"`, `"h5"`, 1)
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if slices.Contains(lastPacket(t, master).HostIDs, 5) {
			_, _ = io.WriteString(w, `{"result": null, "error": `+refusal+`, "id": "jsonrpc"}`)
			return
		}
		_, _ = io.WriteString(w, `{"result": `+result([]string{again}, nil, nil)+`, "error": null, "id": "jsonrpc"}`)
	}))
	for range 10 {
		if b := client.Beat(t.Context(), time.Now()); b.OK() && !b.Soon {
			return pool
		}
	}
	t.Fatal("the beats do not come to an end within 10")
	return nil
}

// A host that was added again under its name has a new id. That the master does not have the old
// one, and that it has a new one of this name, together mend it.
func TestAHostThatWasAddedAgain(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"Host matching query does not exist. Lookup parameters were {'pk': 5}",
		"No such host", // of another version: the search finds which
	} {
		pool := readdedHost(t, fmt.Sprintf(`{"name": "DoesNotExist", "message": %q, "traceback": ""}`, message))
		if hosts := pgtest.Query[string](t, pool, hostsHere); hosts != "5 h5 (was id 5) invalid, 9 h5" {
			t.Errorf("%s: hosts %s; set aside %q", message, hosts, quarantine(t, pool))
		}
		if !pgtest.Query[bool](t, pool, "SELECT aborted FROM afe_host_queue_entries") {
			t.Errorf("%s: the open entry of the host that is gone is not aborted", message)
		}
		for _, line := range quarantine(t, pool) {
			if strings.HasPrefix(line, "in ") {
				t.Errorf("%s: set aside: %s", message, line)
			}
		}
	}
}

// Nobody waits for a row of the host that is gone: the newcomer comes in a later beat, and what
// came with it in this one.
func TestAHostThatWasAddedAgainWaitsForNoRow(t *testing.T) {
	t.Parallel()
	for _, row := range []string{
		"afe_hosts WHERE id = 5", "afe_hosts_labels WHERE host_id = 5", "afe_host_queue_entries WHERE host_id = 5",
	} {
		pool, master := pgtest.Pool(t), newMaster(t)
		client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
		master.saysResult(result([]string{labelled(5, 1, "l", 1, "g")}, []string{job(1, entry(1, `"host_id": 5`))}, nil))
		mustBeat(t, client)
		pgtest.Exec(t, pool, `INSERT INTO shard_client_quarantine
			(direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest)
			VALUES ('out', 'host', 5, 'refused', 'DoesNotExist: Host matching query does not exist.', '', 0, '')`)
		again := strings.Replace(labelled(9, 1, "l", 1, "g"), `"h9"`, `"h5"`, 1)
		master.saysResult(result([]string{again, host(7, "h7")}, nil, nil))
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, tx, "SELECT FROM "+row+" FOR UPDATE")
		client.Beat(t.Context(), time.Now())
		if hosts := pgtest.Query[string](t, pool, hostsHere); hosts != "5 h5, 7 h7" {
			t.Errorf("%s is locked: hosts %s, want the one that came with the newcomer", row, hosts)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustBeat(t, client)
		if hosts := pgtest.Query[string](t, pool, hostsHere); hosts != "5 h5 (was id 5) invalid, 7 h7, 9 h5" {
			t.Errorf("%s is free again: hosts %s", row, hosts)
		}
	}
}

// A host that the master refuses for another reason is there, and keeps its name.
func TestAHostThatIsRefusedKeepsItsName(t *testing.T) {
	t.Parallel()
	pool := readdedHost(t, `{"name": "AclAccessViolation", "message": "User bob does not have access to h5", "traceback": ""}`)
	if hosts := pgtest.Query[string](t, pool, hostsHere); hosts != "5 h5" {
		t.Errorf("hosts %s", hosts)
	}
	aside(t, pool, "in host 9 name_taken: its hostname belongs to host 5 here, which is valid")
}

// The same for a host that the master says is not this shard's, in whichever answer it does.
func TestAnIncorrectHostGivesItsNameAway(t *testing.T) {
	t.Parallel()
	again := strings.Replace(labelled(9, 1, "l", 1, "g"), `"h9"`, `"h5"`, 1)
	for name, answers := range map[string][]string{
		"together":       {result([]string{again}, nil, nil, "5")},
		"newcomer first": {result([]string{again}, nil, nil), result([]string{again}, nil, nil, "5")},
		"newcomer last":  {result(nil, nil, nil, "5"), result([]string{again}, nil, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			for _, answer := range append([]string{result([]string{labelled(5, 1, "l", 1, "g")}, nil, nil)}, answers...) {
				master.saysResult(answer)
				mustBeat(t, client)
			}
			if hosts := pgtest.Query[string](t, pool, hostsHere); hosts != "5 h5 (was id 5) invalid, 9 h5" || len(quarantine(t, pool)) != 0 {
				t.Errorf("hosts %s; set aside %q", hosts, quarantine(t, pool))
			}
		})
	}
}
