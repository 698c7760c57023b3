package main

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"shardclient/runner/pgtest"
)

// proxy is a real HTTP proxy that leads every name to one master.
type proxy struct {
	*httptest.Server
	t      testing.TB
	master *fakeMaster
	mu     sync.Mutex
	asked  []string // request line and credentials
	answer http.Handler
}

// startProxy starts a proxy. With an answer of its own it does not call the master.
func startProxy(t testing.TB, m *fakeMaster, answer http.Handler) *proxy {
	t.Helper()
	p := &proxy{t: t, master: m, answer: answer}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	switch {
	case p.answer != nil:
		p.answer.ServeHTTP(w, r)
	case r.Method == http.MethodConnect:
		p.connect(w)
	default:
		p.master.ServeHTTP(w, r)
	}
}

// connect joins client and master until one of them is gone.
func (p *proxy) connect(w http.ResponseWriter) {
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.t.Error(err)
		return
	}
	defer func() { _ = client.Close() }()
	master, err := net.Dial("tcp", p.master.Listener.Addr().String())
	if err != nil {
		p.t.Error(err)
		return
	}
	defer func() { _ = master.Close() }()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, master}, {master, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// address returns the address of the proxy, with credentials.
func (p *proxy) address(user, password string) string {
	return edit(p.t, p.URL, func(u *url.URL) { u.User = url.UserPassword(user, password) })
}

// The environment names the proxies. net/http reads it once in a process, so each case starts the
// real program.
func TestProxies(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	plain := func() *fakeMaster { return master(t, answers(nothing)) }
	secure := func() *fakeMaster { return ours.secureMaster(answers(nothing), &tls.Config{}) }
	credentials := " Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))
	const path = "/afe/server/noauth/rpc/?method=shard_heartbeat"
	for name, tt := range map[string]struct {
		master   *fakeMaster
		address  string
		variable string
		noProxy  string
		asked    string // "": the proxy is not asked
	}{
		"http":               {plain(), "http://master.test", "HTTP_PROXY", "", "POST http://master.test" + path + credentials},
		"https":              {secure(), "https://master.test", "HTTPS_PROXY", "", "CONNECT master.test:443" + credentials},
		"NO_PROXY":           {plain(), "http://master.invalid", "HTTP_PROXY", "example.com,master.invalid", ""},
		"another's protocol": {plain(), "http://master.invalid", "HTTPS_PROXY", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, tt.master, nil)
			environment := []string{tt.variable + "=" + p.address("user", "pass"), "NO_PROXY=" + tt.noProxy}
			args := []string{"--master", tt.address, "--heartbeat-pause=1h"}
			if strings.HasPrefix(tt.address, "https:") {
				args = append(args, "--ca-file", ours.file)
			}
			client := startRunIn(t, environment, tt.master, pgtest.Database(t), args...)
			if tt.asked == "" {
				client.logs("failure=transport")
				client.stop().says(t, `proxy=""`)
			} else {
				client.logs("level=INFO msg=heartbeat ")
				client.stop().says(t, "proxy="+p.URL)
			}
			if asked := strings.Join(p.requests(), ", "); asked != tt.asked {
				t.Errorf("the proxy was asked %q, want %q", asked, tt.asked)
			}
			if n := len(tt.master.received()); (n == 1) != (tt.asked != "") {
				t.Errorf("%d requests reached the master", n)
			}
		})
	}
}

// An impossible address of a proxy is a mistake in the settings. It may hold a password, so it is
// not shown.
func TestUnusableProxy(t *testing.T) {
	for _, address := range []string{
		"http://user:CANARY@pro xy:3128", "http://user:CANARY%ZZ@proxy",
		"user:CANARY@proxy:port", "ftp://user:CANARY@proxy",
	} {
		t.Setenv("HTTP_PROXY", address)
		for _, command := range []string{"once", "run"} {
			e := start(t, command, "--shard-hostname=s", "--master=master.test", "--database-url=postgres://h/d", "--log-level=debug").
				end().want(t, exitUsage).silent(t).says(t, "HTTP_PROXY: its value is not the address of a proxy")
			if fmt.Sprint(e) != withoutCanary(fmt.Sprint(e)) {
				t.Errorf("%s: a password is shown: %v", address, e)
			}
		}
	}
}
