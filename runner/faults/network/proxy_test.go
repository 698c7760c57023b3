package network

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxic is one of toxiproxy's faults.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // upstream: what the client sends; downstream: what it is answered
	Attributes map[string]int `json:"attributes"`
}

// Both ways.
func both(kind string, attributes map[string]int) []toxic {
	return []toxic{up(kind, attributes), down(kind, attributes)}
}

func up(kind string, attributes map[string]int) toxic   { return toxic{kind, "upstream", attributes} }
func down(kind string, attributes map[string]int) toxic { return toxic{kind, "downstream", attributes} }

// proxy is a bad network to one address. It keeps its own address whatever becomes of it.
type proxy struct {
	t       testing.TB
	target  string
	address string
	server  *toxiproxy.ApiServer
	running *toxiproxy.Proxy
}

// newProxy starts one without a fault; it ends with the test.
func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	p := &proxy{
		t: t, target: target, address: "127.0.0.1:0",
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
	}
	p.heal()
	t.Cleanup(p.cut)
	return p
}

// cut ends all connections; there is nobody at the address until the next change.
func (p *proxy) cut() {
	if p.running != nil {
		p.running.Stop()
	}
}

// change ends all connections; the next ones meet these toxics.
func (p *proxy) change(toxics ...toxic) {
	p.t.Helper()
	p.cut()
	p.running = toxiproxy.NewProxy(p.server, p.t.Name(), p.address, p.target)
	p.poison(toxics...)
	if err := p.running.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.address = p.running.Listen
}

func (p *proxy) heal() { p.change() }

// poison adds toxics to the connections that there are, and to later ones.
func (p *proxy) poison(toxics ...toxic) {
	p.t.Helper()
	for _, one := range toxics {
		text, err := json.Marshal(one)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := p.running.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// through returns an address with the proxy instead of its host and port, and more parameters.
func (p *proxy) through(address string, parameters ...string) string {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	u.Host = p.address
	query := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// hostOf is HOST:PORT of an address.
func hostOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		t.Fatalf("%s: %v", u.Redacted(), err)
	}
	return u.Host
}
