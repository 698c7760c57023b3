package afe

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A scheme that is not the port's will be wrong in a second, too: it is known by the answer, and
// the call not tried again.
func TestWrongSchemeIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(says(http.StatusOK, "{}"))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(says(http.StatusOK, "{}"))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	other := func(from, to, address string) string { return strings.Replace(address, from, to, 1) }
	for name, tt := range map[string]struct {
		master      string
		http, https bool
	}{
		"https to http":                 {other("http:", "https:", plain.URL), true, false},
		"https to something else":       {"https://" + listensOnly(t, "220 mail.example ready\r\n"), true, false},
		"http to Go's https":            {other("https:", "http:", secure.URL), false, true},
		"http to a server of few words": {"http://" + listensOnly(t, "\x15\x03\x01\x00\x02\x02\x0a"), false, true},
	} {
		failed := failure(t, newClient(t, tt.master))
		if failed.SpeaksHTTP() != tt.http || failed.SpeaksTLS() != tt.https || failed.Tries != 1 {
			t.Errorf("%s: speaks HTTP %v, TLS %v, after %d tries: %v", name, failed.SpeaksHTTP(), failed.SpeaksTLS(), failed.Tries, failed)
		}
	}
}

// listensOnly answers each connection with the same bytes.
func listensOnly(t *testing.T, answer string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // it was only for this
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1024)) // what comes is not looked at
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// A master that offers HTTP/2 is spoken to over HTTP/1.1, whatever was built into the program.
func TestHTTP2IsNotSpoken(t *testing.T) {
	t.Parallel()
	protocol := ""
	m := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		says(http.StatusOK, idle)(w, r)
	}))
	m.EnableHTTP2 = true
	m.StartTLS()
	defer m.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(m.Certificate())
	success(t, newClient(t, m.URL, func(o *Options) { o.TLS = &tls.Config{RootCAs: trusted} }))
	if protocol != "HTTP/1.1" {
		t.Errorf("the client speaks %q", protocol)
	}
}
