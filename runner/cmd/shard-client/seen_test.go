package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shardclient/runner/ops"
	"shardclient/runner/wait"
)

// seen is a run whose metrics and health are read over HTTP.
type seen struct {
	t       testing.TB
	address string
	client  http.Client
}

var servedAt = regexp.MustCompile(`metrics and health are served" address=(\S+)`)

// see waits until a run logs the address of its metrics.
func see(t testing.TB, stderr *output) *seen {
	t.Helper()
	s := &seen{t: t, client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	wait.Until(t, "for the address of the metrics", func() bool {
		match := servedAt.FindStringSubmatch(stderr.String())
		if match != nil {
			s.address = match[1]
		}
		return match != nil
	})
	return s
}

// get reads a page.
func (s *seen) get(path string) (status int, body string) {
	s.t.Helper()
	response, err := s.client.Get("http://" + s.address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// metrics returns the values of our series.
func (s *seen) metrics() map[string]float64 {
	s.t.Helper()
	status, body := s.get("/metrics")
	if status != http.StatusOK {
		s.t.Fatalf("/metrics: status %d: %s", status, body)
	}
	values := map[string]float64{}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "shard_client_") {
			continue
		}
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			s.t.Fatalf("/metrics: %q: %v", line, err)
		}
		values[strings.TrimPrefix(name, "shard_client_")] = value
	}
	return values
}

// healthy fails the test unless the run is alive.
func (s *seen) healthy() ops.HealthStatus {
	s.t.Helper()
	status, body := s.get("/healthz")
	var h ops.HealthStatus
	if err := json.Unmarshal([]byte(body), &h); err != nil || status != http.StatusOK || h.Status != "alive" {
		s.t.Fatalf("/healthz: status %d, want 200 and alive: %s", status, body)
	}
	return h
}

// runHere starts `run` in this process, where the race detector sees beats and scrapes. stop ends
// it.
func runHere(t *testing.T, args ...string) (s *seen, stop func()) {
	t.Helper()
	stderr := &output{}
	p := &program{began: time.Now(), stdout: io.Discard, stderr: stderr}
	command, _ := p.parse(args)
	if command == nil {
		t.Fatal(stderr.String())
	}
	if err := p.openLog("run"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.beatUntilStopped(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, p.lines.Close()); err != nil {
			t.Errorf("run: %v", err)
		}
		if t.Failed() {
			t.Logf("stderr:\n%s", stderr.String())
		}
	})
	t.Cleanup(stop)
	return see(t, stderr), stop
}

// scrapePause is between two scrapes. One costs 10 ms under the race detector, which needs only a
// few to see what is shared; without a pause a test that waits for real seconds spends them on
// scraping.
const scrapePause = 200 * time.Millisecond

// scrapeAlways reads /metrics again and again, until stop is called.
func (s *seen) scrapeAlways() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause := time.NewTicker(scrapePause)
		defer pause.Stop()
		for ctx.Err() == nil {
			response, err := s.client.Get("http://" + s.address + "/metrics")
			if err != nil {
				s.t.Errorf("scrape: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-done }
}
