package network

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"shardclient/runner/faults"
)

// The network between the client and its master, each of toxiproxy's toxics once and more.
func TestNetworkToTheMaster(t *testing.T) {
	t.Parallel()
	ms := func(name string, n int) map[string]int { return map[string]int{name: n} }
	tests := []struct {
		name   string
		toxics []toxic
		size   int
		felt   []string
		slow   time.Duration
	}{
		{name: "Latency", toxics: both("latency", map[string]int{"latency": 60, "jitter": 20}), slow: 80 * time.Millisecond},
		{name: "LatencyBeyondTheDeadline", toxics: []toxic{down("latency", ms("latency", 5000))},
			felt: []string{"failure=deadline", "gave no answer in time", "900ms ran out (--rpc-timeout)"}},
		{name: "Bandwidth", toxics: both("bandwidth", ms("rate", 400)), size: bulk, slow: 200 * time.Millisecond},
		{name: "BandwidthBeyondTheDeadline", toxics: []toxic{up("bandwidth", ms("rate", 10))}, size: bulk,
			felt: []string{"failure=deadline", "900ms ran out (--rpc-timeout)"}},
		{name: "BandwidthOfTheAnswerBeyondTheDeadline", toxics: []toxic{down("bandwidth", ms("rate", 10))}, size: bulk,
			felt: []string{"failure=deadline", "read answer: ", "900ms ran out (--rpc-timeout)"}},
		{name: "ResetBeforeAnything", toxics: []toxic{up("reset_peer", nil)},
			felt: []string{"failure=transport", "connection reset by peer"}},
		{name: "ResetInsteadOfAnAnswer", toxics: []toxic{down("reset_peer", nil)},
			felt: []string{"failure=transport", "connection reset by peer"}},
		{name: "RequestCut", toxics: []toxic{up("limit_data", ms("bytes", 600))}, size: bulk,
			felt: []string{"failure=transport"}},
		{name: "AnswerCut", toxics: []toxic{down("limit_data", ms("bytes", 1000))}, size: bulk,
			felt: []string{"failure=transport", "read answer: unexpected EOF"}},
		{name: "SwallowedUntilClosed", toxics: []toxic{down("timeout", ms("timeout", 150))},
			felt: []string{"failure=transport", "EOF"}},
		{name: "BlackHole", toxics: both("timeout", ms("timeout", 0)),
			felt: []string{"failure=deadline", "900ms ran out (--rpc-timeout)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, faults.Options{})
			p := newProxy(t, hostOf(t, r.l.URL()))
			r.run("--master=http://"+p.address, timeout(tt.slow))
			r.play(fault{begin: func() { p.change(tt.toxics...) }, end: p.heal, size: tt.size, felt: tt.felt, slow: tt.slow})
		})
	}
	t.Run("Down", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, faults.Options{})
		p := newProxy(t, hostOf(t, r.l.URL()))
		r.run("--master=http://" + p.address)
		r.play(fault{begin: p.cut, end: p.heal, felt: []string{"failure=transport", "connection refused"}})
	})
	for name, f := range map[string]fault{
		"SlowClose":                  {slow: 150 * time.Millisecond},
		"SlowCloseBeyondTheDeadline": {felt: []string{"failure=deadline", "read answer: ", "900ms ran out (--rpc-timeout)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, faults.Options{})
			p := newProxy(t, hostOf(t, r.l.URL()))
			r.run("--master=http://"+p.address, timeout(f.slow))
			f.begin = func() {
				r.answers(untilClosed)
				p.change(down("slow_close", ms("delay", int(cmp.Or(f.slow, time.Minute).Milliseconds()))))
			}
			f.end = func() { r.honest(); p.heal() }
			r.play(f)
		})
	}
}

// timeout is for a fault that makes beats slow, or fails them.
func timeout(slow time.Duration) string {
	if slow > 0 {
		return long
	}
	return short
}

// untilClosed is an answer without a length: it ends where the connection does, which is what a
// slow close delays.
func untilClosed(w http.ResponseWriter, _ *http.Request, stored *httptest.ResponseRecorder) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", stored.Body)
	_ = conn.Close()
}
