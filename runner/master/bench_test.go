package master_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// BenchmarkHeartbeat shows what a heartbeat costs in a database with history, first as PostgreSQL
// finds it and then with statistics.
func BenchmarkHeartbeat(b *testing.B) {
	pool, err := master.Connect(b.Context(), pgtest.Database(b), 4, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	keepWithoutStatistics(b, pool)
	loadLarge(b, pool)
	loadHistory(b, pool, 1000000, 50000)
	url := serve(b, pool, afe.Protocol2019)
	for _, statistics := range []string{"none", "analyzed"} {
		if statistics == "analyzed" {
			pgtest.Exec(b, pool, "VACUUM ANALYZE")
		}
		b.Run("statistics="+statistics, func(b *testing.B) { benchmarkHeartbeats(b, pool, url) })
	}
}

func benchmarkHeartbeats(b *testing.B, pool *pgxpool.Pool, url string) {
	for _, shard := range []int{11, 12, 13} {
		known, body := idle(b, pool, shard)
		b.Run(fmt.Sprintf("idle/known=%d", known), func(b *testing.B) {
			measure(b, url, body, nil)
		})
	}
	b.Run("sends=1000", func(b *testing.B) {
		measure(b, url, packet(b, map[string]any{"shard_hostname": "shard1.example"}), func() {
			pgtest.Exec(b, pool, "UPDATE afe_hosts SET shard_id = NULL WHERE id < 1000")
			pgtest.Exec(b, pool, "UPDATE afe_jobs SET shard_id = NULL WHERE id < 1000000")
		})
	})
	b.Run("uploads=1000", func(b *testing.B) { measure(b, url, upload(b), nil) })
	pgtest.Exec(b, pool, "UPDATE afe_host_queue_entries SET status = 'Queued', complete = false WHERE id < 1000000")
}

// measure posts a body again and again, with prepare between, and reports the median.
func measure(b *testing.B, url, body string, prepare func()) {
	var took []time.Duration
	for b.Loop() {
		if prepare != nil {
			b.StopTimer()
			prepare()
			b.StartTimer()
		}
		began := time.Now()
		response, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		took = append(took, time.Since(began))
		if err != nil || !bytes.HasPrefix(answer, []byte(`{"error": null`)) {
			b.Fatalf("%v: %.500s", err, answer)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
}
