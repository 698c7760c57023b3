package ops

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Profiles have an address of their own, and the one of metrics has none.
func TestProfiles(t *testing.T) {
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ServeProfiles(listener, slog.New(slog.DiscardHandler))
	defer func() { _ = s.Close() }()
	for path, want := range map[string]struct {
		status int
		begins string
	}{
		"":                      {200, "go tool pprof"},
		"heap":                  {200, "\x1f\x8b"}, // gzip, which is how pprof likes it
		"allocs":                {200, "\x1f\x8b"},
		"goroutine?debug=2":     {200, "goroutine "},
		"profile?seconds=0.001": {200, "\x1f\x8b"},
		"cmdline":               {404, "there is no such profile"}, // passwords may stand there
		"symbol":                {404, "there is no such profile"},
		"../metrics":            {404, ""},
	} {
		response, err := http.Get("http://" + s.Address() + "/debug/pprof/" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != want.status || !strings.HasPrefix(string(body), want.begins) {
			t.Errorf("%q: status %d, %v, %.30q; want %+v", path, response.StatusCode, err, body, want)
		}
	}
	if w := get(t, paths(someMetrics(), newHealth(time.Hour), nil, slog.New(slog.DiscardHandler)), "/debug/pprof/heap"); w.Code != http.StatusNotFound {
		t.Errorf("the address of metrics has profiles: status %d", w.Code)
	}
	if got := s.http.Handler; got == http.Handler(http.DefaultServeMux) {
		t.Error("served by the mux that every library may register at")
	}
}

// An end of the program does not wait for a profile that somebody records.
func TestCloseDoesNotWaitForAProfile(t *testing.T) {
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ServeProfiles(listener, slog.New(slog.DiscardHandler))
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /debug/pprof/profile?seconds=200 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Log(err) // cut off
	}
}
