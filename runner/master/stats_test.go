package master_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

func counts(t testing.TB, url string) master.Counts {
	t.Helper()
	response, err := http.Get(strings.TrimSuffix(url, master.Path) + master.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var c master.Counts
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return c
}

func TestStatsCountWhatHeartbeatsCost(t *testing.T) {
	stats := &master.Stats{}
	databaseURL := pgtest.Database(t)
	loadShared(t, widePool(t, databaseURL), 20)
	pool, err := master.Connect(t.Context(), databaseURL, 1, stats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	url := serveWith(t, pool, master.Options{Protocol: afe.Protocol2019, Stats: stats})
	if c := counts(t, url); c.Heartbeats != 0 || c.Statements != 0 || c.CPUMS <= 0 {
		t.Errorf("before the first heartbeat: %+v, want CPU time only", c)
	}

	const idle = `{"shard_hostname": "one", "known_host_ids": [1], "known_host_statuses": ["Ready"], "known_job_ids": [1]}`
	call(t, url, heartbeat(idle))
	one := counts(t, url)
	// 19 hosts and 19 jobs are read, locked, read again and assigned.
	if one.Heartbeats != 1 || one.Failed != 0 || one.RowsAffected != 2*19 || one.RowsReturned < 3*2*19 || one.DatabaseMS <= 0 {
		t.Errorf("after one heartbeat: %+v", one)
	}
	call(t, url, heartbeat(`{"shard_hostname": "nobody"}`))
	call(t, url, heartbeat(`{"shard_hostname": "one", "nonsense": 1}`))
	call(t, url, `{"method": "nonsense", "params": [], "id": 1}`)
	three := counts(t, url)
	if three.Heartbeats != 3 || three.Failed != 2 || three.FailedStatements != 0 || three.Statements <= one.Statements || three.CPUMS < one.CPUMS {
		t.Errorf("after one heartbeat and two that failed: %+v, after the first: %+v", three, one)
	}
	call(t, url, heartbeat(`{"shard_hostname": "one", "jobs": [{"id": 1, "owner": null}]}`))
	// Twice: whoever stores at once and is refused looks first the second time.
	if c := counts(t, url); c.Failed != 3 || c.FailedStatements != 2 {
		t.Errorf("after one that PostgreSQL refused: %+v", c)
	}
}

// The only connection is in use when the heartbeat comes, sooner or later.
func TestStatsCountHeartbeatsThatWaitForAConnection(t *testing.T) {
	stats := &master.Stats{}
	databaseURL := pgtest.Database(t)
	loadShared(t, widePool(t, databaseURL), 1)
	pool, err := master.Connect(t.Context(), databaseURL, 1, stats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	url := serveWith(t, pool, master.Options{Protocol: afe.Protocol2019, Stats: stats})
	call(t, url, heartbeat(`{"shard_hostname": "two"}`)) // opens the connection
	before := counts(t, url)
	call(t, url, heartbeat(`{"shard_hostname": "two"}`))
	if c := counts(t, url); c.ConnectionsWaited != before.ConnectionsWaited {
		t.Errorf("%d waited, %d before a heartbeat that had not to", c.ConnectionsWaited, before.ConnectionsWaited)
	}
	for try := 1; try < 40; try++ {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended := begin(t.Context(), beat{url, "", `{"shard_hostname": "two"}`})
		_, err = conn.Exec(t.Context(), "SELECT pg_sleep($1)", float64(try)/100)
		conn.Release()
		if err != nil {
			t.Fatal(err)
		}
		await(t, ended)
		if c := counts(t, url); c.ConnectionsWaited > before.ConnectionsWaited && c.ConnectionsWaitedMS > before.ConnectionsWaitedMS {
			return
		}
	}
	t.Errorf("no heartbeat was counted that waited: %+v", counts(t, url))
}

func TestNoStatsWithoutCounter(t *testing.T) {
	url := serve(t, pgtest.Pool(t), afe.Protocol2019)
	response, err := http.Get(strings.TrimSuffix(url, master.Path) + master.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("%s, want 404", response.Status)
	}
}

func TestConnectSettings(t *testing.T) {
	databaseURL := pgtest.Database(t)
	for _, c := range []struct{ url, setting, want string }{
		{databaseURL, "plan_cache_mode", "force_custom_plan"},
		{databaseURL, "jit", "off"},
		{databaseURL, "application_name", "shard-lab master"},
		{databaseURL + "&jit=on&application_name=mine", "jit", "on"},
		{databaseURL + "&jit=on&application_name=mine", "application_name", "mine"},
	} {
		pool, err := master.Connect(t.Context(), c.url, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := pgtest.Query[string](t, pool, "SELECT current_setting($1)", c.setting); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.url, c.setting, got, c.want)
		}
		if got := pool.Config().MaxConns; got != 3 {
			t.Errorf("%d connections, want 3", got)
		}
		pool.Close()
	}
}
