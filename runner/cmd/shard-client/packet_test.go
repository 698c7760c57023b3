package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// whole is what is in all tables.
func whole(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	return pgtest.Query[string](t, pool, `SELECT string_agg(c.relname || query_to_xml('SELECT * FROM ' || c.relname || ' ORDER BY 1', true, false, '')::text, E'\n')
		FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`)
}

// The packet is the body of the next request, byte by byte, and to look at it changes nothing.
func TestPacketIsWhatTravels(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	setAside(t, pool)
	pgtest.Exec(t, pool, "DELETE FROM shard_client_quarantine WHERE object_id = 3")
	before := whole(t, pool)
	look := []string{"--database-url", databaseURL, "--shard-hostname", ourShard}
	packet := invoke(append([]string{"packet"}, look...)...).want(t, exitOK)
	old := invoke(append([]string{"packet", "--protocol=2015"}, look...)...).want(t, exitOK)
	text := invoke(append([]string{"once", "--dry-run"}, look...)...).want(t, exitOK)
	for _, want := range []string{"nothing is sent, nothing is changed", "1 finished job with 1 entry: 3\n", "stays out 4 records: "} {
		if !strings.Contains(text.stdout, want) {
			t.Errorf("want %q: %v", want, text)
		}
	}
	var dry struct {
		Outcome string  `json:"outcome"`
		JobIDs  []int64 `json:"job_ids"`
		Bytes   int
		Packet  json.RawMessage
	}
	e := invoke(append([]string{"once", "--dry-run", "--output=json"}, look...)...).want(t, exitOK)
	if err := json.Unmarshal([]byte(e.stdout), &dry); err != nil || dry.Outcome != "dry_run" || !slices.Equal(dry.JobIDs, []int64{3}) ||
		dry.Bytes != len(packet.stdout) || string(dry.Packet) != packet.stdout {
		t.Errorf("%v: %v", err, e)
	}
	if after := whole(t, pool); after != before {
		t.Error("looking at the packet has changed the database")
	}
	m := master(t, answers(nothing))
	invoke(once(m, databaseURL)...).want(t, exitOK)
	if sent := string(m.last(t).body); sent != packet.stdout || strings.Contains(old.stdout, "known_host_statuses") {
		t.Errorf("sent\n%s\nprinted\n%s\nof 2015\n%s", sent, packet.stdout, old.stdout)
	}
	invoke("packet", "--database-url", databaseURL).want(t, exitUsage).says(t, "--shard-hostname")
	// Beside the client that runs, which is named.
	release := make(chan struct{})
	m = master(t, hangs(release, answers(nothing)))
	p := startRun(t, m, databaseURL)
	wait.Until(t, "for the request", func() bool { return len(m.received()) == 1 })
	if e := invoke(append([]string{"once", "--dry-run"}, look...)...).want(t, exitOK); !strings.Contains(e.stdout, "held by shard-client") {
		t.Errorf("%v", e)
	}
	close(release)
	p.stop().want(t, exitOK)
}
