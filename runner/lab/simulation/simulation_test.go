package simulation

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/master"
	"shardclient/runner/postgres"
)

func TestMain(m *testing.M) {
	if err := postgres.ForgetLibpqSettings(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(binaries.WithBinaries(m))
}

// Three shards and two masters, from the programs to the table.
func TestSimulation(t *testing.T) {
	var out bytes.Buffer
	s := Simulation{
		Shards: 3, HostsPerShard: 2, JobsPerShard: 20, Pause: 300 * time.Millisecond, Duration: 2 * time.Second,
		Masters: 2, Finish: 0.1, Protocol: "2019", Lab: binaries.ShardLab(t), Out: &out,
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, row := range []string{
		`heartbeats +[1-9]\d* in [\d.]+s, 0 failed`, `heartbeats per second +[\d.]+ of 10\.0 offered`, `latency p50, p95, p99 +[\d.]+ms, `,
		`statements per heartbeat +[1-9]`, `rows per heartbeat +[\d.]+ read, [\d.]+ written`, `master CPU +0*[\d.]+ ms per heartbeat`,
		`database CPU +[\d.]+ ms per heartbeat`, `database time +[\d.]+ ms per heartbeat`, `(limit +not|saturation +) ?reached`,
		`agreement: [1-9]\d* jobs, [1-9]\d* entries: \d+ agreed, 0 lost, 0 duplicated`,
	} {
		if !regexp.MustCompile(row).Match(out.Bytes()) {
			t.Errorf("no row like %s:\n%s", row, &out)
		}
	}
	// Jobs finished and new ones came: more are known in the end than each shard began with.
	if regexp.MustCompile(`agreement: 60 jobs`).Match(out.Bytes()) {
		t.Errorf("nothing has finished:\n%s", &out)
	}
}

func TestSimulationNeedsAMaster(t *testing.T) {
	var out bytes.Buffer
	s := Simulation{Shards: 1, JobsPerShard: 1, Pause: time.Second, Duration: time.Second, Masters: 1, Protocol: "2019", Lab: "/bin/false", Out: &out}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "start master 1: it ended before it was ready") {
		t.Errorf("error %v\n%s", err, &out)
	}
}

func TestTableSaysWhatIsSaturated(t *testing.T) {
	at := &site{Simulation: &Simulation{Shards: 100, Pause: 10 * time.Second}}
	result := func(beats int, masterMS float64, database time.Duration) string {
		r := &result{
			site: at, elapsed: 10 * time.Second, latencies: make([]time.Duration, beats),
			to: sample{masters: master.Counts{Heartbeats: int64(beats), CPUMS: masterMS}, database: database},
		}
		for i := range r.latencies {
			r.latencies[i] = time.Duration(i+1) * time.Millisecond
		}
		var out bytes.Buffer
		r.print(&out)
		return out.String()
	}
	for _, c := range []struct{ name, table, want string }{
		{"database first", result(100, 200, 800*time.Millisecond), "not reached, 0.1 of"},
		{"database first", result(100, 200, 800*time.Millisecond), "first to reach it         the database, at 125 heartbeats per second and core"},
		{"masters first", result(100, 500, 400*time.Millisecond), "first to reach it         the masters, at 200 heartbeats per second and core"},
		{"too much", result(60, 200, time.Duration(cores()*float64(9*time.Second))), "saturation                reached: 60 % of what was offered, "},
		{"slow, and idle", result(60, 200, time.Second), "limit                     not reached, 0.1 of"},
		{"percentiles", result(100, 200, 0), "51ms, 96ms, 100ms"},
	} {
		if !strings.Contains(c.table, c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, c.table)
		}
		for line := range strings.Lines(c.table) {
			if len(line) > 81 {
				t.Errorf("%s: %d columns, want 80 at most: %s", c.name, len(line)-1, line)
			}
		}
	}
}
