package network

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"shardclient/runner/faults"
)

// A master behind https redirects to plain http, where anybody on the way would read and write the
// packets.
func testRedirectToPlainHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, faults.Options{})
	other, called := stranger(t)
	var redirects atomic.Bool
	front, caFile := newFront(t, r.l.URL(), func(w http.ResponseWriter, q *http.Request) bool {
		if redirects.Load() {
			http.Redirect(w, q, other+q.URL.Path, http.StatusPermanentRedirect)
		}
		return redirects.Load()
	})
	r.run("--master="+front, "--ca-file="+caFile)
	r.play(fault{
		begin: func() { redirects.Store(true) }, end: func() { redirects.Store(false) },
		felt: []string{"failure=http_status", "HTTP 308", other, "redirects are not followed"},
	})
	if n := called.Load(); n != 0 {
		t.Errorf("plain http was called %d times", n)
	}
}

// newFront is a master behind https: what instead does not answer goes on to it.
func newFront(t *testing.T, master string, instead func(http.ResponseWriter, *http.Request) bool) (address, caFile string) {
	t.Helper()
	u, err := url.Parse(master)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	behind := &httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u) }}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !instead(w, q) {
			behind.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, caFile
}
