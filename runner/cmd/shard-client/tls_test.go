package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// A master with a certificate of a private authority is trusted with --ca-file, and only with it.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	ours, other := newAuthority(t), newAuthority(t)
	m := ours.secureMaster(answers(nothing), &tls.Config{})
	for file, want := range map[string]int{"": exitFailed, other.file: exitFailed, ours.file: exitOK} {
		e := invoke(once(m, databaseURL, "--ca-file", file)...).want(t, want)
		if want == exitFailed {
			e.says(t, "failure=transport", "certificate signed by unknown authority")
		}
	}
	if n := len(m.received()); n != 1 {
		t.Errorf("%d requests, want only that of the client that knows the authority", n)
	}
}

// --ca-file replaces the system's authorities, which serve without it.
func TestSystemAuthorities(t *testing.T) {
	databaseURL := pgtest.Database(t)
	system, other := newAuthority(t), newAuthority(t)
	m := system.secureMaster(answers(nothing), &tls.Config{})
	t.Setenv("SSL_CERT_FILE", system.file) // crypto/x509 reads it once in a process
	start(t, once(m, databaseURL)...).end().want(t, exitOK)
	start(t, once(m, databaseURL, "--ca-file", other.file)...).end().want(t, exitFailed).says(t, "unknown authority")
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	for version, want := range map[uint16]int{tls.VersionTLS11: exitFailed, tls.VersionTLS12: exitOK, tls.VersionTLS13: exitOK} {
		m := ours.secureMaster(answers(nothing), &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version})
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			e := invoke(once(m, pgtest.Database(t), "--ca-file", ours.file)...).want(t, want)
			if want == exitFailed {
				e.says(t, "failure=transport", "protocol version")
			}
		})
	}
}

// A master may ask for a certificate of the client, and may offer HTTP/2, which the client does not
// speak.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	client, stranger := ours.issue("shard1"), newAuthority(t).issue("stranger")
	for _, protocols := range [][]string{{"http/1.1"}, {"h2", "http/1.1"}} {
		m := ours.secureMaster(answers(nothing), &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(), NextProtos: protocols,
			MaxVersion: tls.VersionTLS12, // 1.3 refuses a client after the handshake, and the reason may be lost
		})
		for name, shown := range map[string][]string{
			"known":    {"--client-cert", client.cert, "--client-key", client.key},
			"none":     nil,
			"stranger": {"--client-cert", stranger.cert, "--client-key", stranger.key},
		} {
			t.Run(name+" by "+protocols[0], func(t *testing.T) {
				t.Parallel() // a call that is refused is tried again for seconds
				e := invoke(append(once(m, pgtest.Database(t), "--ca-file", ours.file), shown...)...)
				if name == "known" {
					e.want(t, exitOK)
				} else {
					e.want(t, exitFailed).says(t, "failure=transport", "remote error: tls")
				}
			})
		}
		t.Cleanup(func() {
			if n := len(m.received()); n != 1 {
				t.Errorf("%v: %d requests, want only that of the client that is known", protocols, n)
			}
		})
	}
}

// Mistakes in the files end the start, and do not wait for a beat.
func TestUnusableCertificates(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	client, other := ours.issue("shard1"), ours.issue("shard2")
	for name, tt := range map[string]struct {
		args []string
		says []string
	}{
		"no CA file":   {[]string{"--ca-file=/no/such"}, []string{`--ca-file "/no/such": it cannot be read: no such file`}},
		"CA is a key":  {[]string{"--ca-file", client.key}, []string{"--ca-file", "no certificate", "BEGIN CERTIFICATE"}},
		"no key":       {[]string{"--client-cert", client.cert}, []string{"--client-key", "SHARD_CLIENT_CLIENT_KEY"}},
		"no cert":      {[]string{"--client-key", client.key}, []string{"--client-cert", "SHARD_CLIENT_CLIENT_CERT"}},
		"missing key":  {[]string{"--client-cert", client.cert, "--client-key=/no/such"}, []string{"--client-key", "/no/such", "no such file"}},
		"another's":    {[]string{"--client-cert", client.cert, "--client-key", other.key}, []string{"--client-cert", "does not match", other.key}},
		"plain master": {[]string{"--ca-file", ours.file, "--master=m:8080"}, []string{"--ca-file", "plain http", "https://m:8080"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range []string{"once", "run"} {
				args := []string{command, "--shard-hostname=s", "--master=https://m", "--database-url=postgres://h/d"}
				invoke(append(args, tt.args...)...).want(t, exitUsage).silent(t).says(t, tt.says...)
			}
		})
	}
}

// A rotated certificate is shown at the next connection, without a restart. While only one of its
// two files is new, the old pair serves.
func TestRotatedClientCertificate(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	ours := newAuthority(t)
	client, next := ours.issue("before"), ours.issue("after")
	var mu sync.Mutex
	shown := ""
	m := ours.secureMaster(answers(nothing), &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(),
		VerifyConnection: func(state tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			shown = state.PeerCertificates[0].Subject.CommonName
			return nil
		},
	})
	p := startRun(t, m, databaseURL, "--ca-file", ours.file, "--client-cert", client.cert, "--client-key", client.key)
	seen := func(name string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return shown == name
		}
	}
	wait.Until(t, "for the first certificate", seen("before"))
	copyFile(t, next.cert, client.cert)
	p.logs("client certificate not read again")
	before := len(m.received())
	wait.Until(t, "for a beat meanwhile", func() bool { return len(m.received()) > before+1 })
	if !seen("before")() {
		t.Error("half a pair was shown")
	}
	copyFile(t, next.key, client.key)
	wait.Until(t, "for the new certificate", seen("after"))
	if e := p.stop(); strings.Contains(e.stderr, "heartbeat failed") {
		t.Errorf("a beat failed: %v", e)
	}
}

// A request to an https master is never sent in plain: neither to a port that does not answer in
// TLS, nor to one that speaks plain HTTP.
func TestHTTPSNeverFallsBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	plain := master(t, answers(nothing))
	deaf := listen(t)
	for _, address := range []string{plain.Listener.Addr().String(), deaf.Addr().String()} {
		m := &fakeMaster{Server: plain.Server}
		args := append(once(m, databaseURL), "--master=https://"+address)
		invoke(args...).want(t, exitFailed).says(t, "failure=transport")
	}
	if n := len(plain.received()); n != 0 {
		t.Errorf("%d plain requests", n)
	}
	const handshake = 0x16 // the first byte of a TLS record that holds a ClientHello
	for i, first := range deaf.firsts() {
		if first != handshake {
			t.Errorf("connection %d begins with %#x, not with a handshake", i+1, first)
		}
	}
	if n := len(deaf.firsts()); n < 2 {
		t.Errorf("%d connections, want a try and its retries", n)
	}
}

// A redirect is never followed, neither out of TLS nor to another host.
func TestRedirectsLeadNowhere(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	ours := newAuthority(t)
	elsewhere := listen(t)
	for _, scheme := range []string{"http", "https"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			target := scheme + "://" + elsewhere.Addr().String() + "/afe/server/noauth/rpc/"
			m := ours.secureMaster(http.RedirectHandler(target, status), &tls.Config{})
			e := invoke(once(m, databaseURL, "--ca-file", ours.file)...).want(t, exitFailed)
			e.says(t, "failure=http_status", target, "redirects are not followed")
			if n := len(m.received()); n != 1 {
				t.Errorf("%d to %s: %d requests, want 1", status, scheme, n)
			}
		}
	}
	if n := len(elsewhere.firsts()); n != 0 {
		t.Errorf("%d connections to where redirects lead", n)
	}
}

// bystander takes connections, keeps the first byte of each, and ends them.
type bystander struct {
	net.Listener
	mu    sync.Mutex
	bytes []byte
}

func listen(t *testing.T) *bystander {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{Listener: listener}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.take(conn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		done.Wait()
	})
	return b
}

func (b *bystander) take(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	first := make([]byte, 1)
	_, _ = conn.Read(first) // 0: it was closed without a word
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = append(b.bytes, first[0])
}

func (b *bystander) firsts() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.bytes...)
}
