package afe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The request line and headers are those that the original client sent.
func TestRequestAsRecorded(t *testing.T) {
	for name, raw := range recorded(t, "01*.request.http") {
		want, _ := recordedRequest(t, raw)
		m := newMaster(t, says(200, idle))
		r := success(t, newClient(t, m.URL, speaking(Protocol(name[:4]))))
		got := m.requests[0]
		if got.Method != want.Method || got.RequestURI != want.RequestURI {
			t.Errorf("%s: %s %s, want %s %s", name, got.Method, got.RequestURI, want.Method, want.RequestURI)
		}
		for _, header := range []string{"Authorization", "Content-Type"} {
			if got, want := got.Header.Get(header), want.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		// A compressed answer could outgrow the limit; see NewClient.
		if encoding := got.Header.Get("Accept-Encoding"); encoding != "" {
			t.Errorf("%s: asks for %q", name, encoding)
		}
		if agent := got.Header.Get("User-Agent"); agent != "shard-client/test" {
			t.Errorf("%s: User-Agent %q", name, agent)
		}
		if !r.Sure || string(r.Protocol) != name[:4] {
			t.Errorf("%s: sure %t, protocol %s", name, r.Sure, r.Protocol)
		}
	}
}

func TestMasterURL(t *testing.T) {
	const path = "/afe/server/noauth/rpc/"
	m := newMaster(t, says(200, idle))
	for _, tt := range []struct{ suffix, want string }{
		{"", path}, {"/", path}, {"/lab", "/lab" + path}, {"/lab/", "/lab" + path}, {"/a%20b", "/a%20b" + path},
	} {
		for protocol, query := range map[Protocol]string{Protocol2015: "", Protocol2019: "?method=shard_heartbeat"} {
			success(t, newClient(t, m.URL+tt.suffix, speaking(protocol)))
			if got := m.requests[len(m.requests)-1].RequestURI; got != tt.want+query {
				t.Errorf("master %q, %s: called %s, want %s", tt.suffix, protocol, got, tt.want+query)
			}
		}
	}
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name    string
		answers []http.HandlerFunc
		calls   int
		class   Class // "": the beat succeeds
	}{
		{"at once", []http.HandlerFunc{says(200, idle)}, 1, ""},
		{"broken connection", []http.HandlerFunc{hangsUp, says(200, idle)}, 2, ""},
		{"429", []http.HandlerFunc{says(429, "slow down"), says(200, idle)}, 2, ""},
		{"502 503 429", []http.HandlerFunc{says(502, ""), says(503, ""), says(429, ""), says(200, idle)}, 4, ""},
		{"504 waits in the queue", []http.HandlerFunc{says(504, "")}, 1, HTTPStatus},
		{"504 after 503", []http.HandlerFunc{says(503, ""), says(504, "")}, 2, HTTPStatus},
		{"Retry-After is capped", []http.HandlerFunc{says(429, "", "Retry-After", "3600"), says(200, idle)}, 2, ""},
		{"Retry-After past counting", []http.HandlerFunc{says(503, "", "Retry-After", "9223372036854775807"), says(200, idle)}, 2, ""},
		{"never", []http.HandlerFunc{hangsUp}, 4, Transport},
		{"503 for ever", []http.HandlerFunc{says(503, "maintenance")}, 4, HTTPStatus},
		{"500 is an answer", []http.HandlerFunc{says(500, "<html>")}, 1, HTTPStatus},
		{"501", []http.HandlerFunc{says(501, "")}, 1, HTTPStatus},
		{"408", []http.HandlerFunc{says(408, "")}, 1, HTTPStatus},
		{"413", []http.HandlerFunc{says(413, "")}, 1, HTTPStatus},
		{"403", []http.HandlerFunc{says(403, "")}, 1, HTTPStatus},
		{"204", []http.HandlerFunc{says(204, "")}, 1, HTTPStatus},
		{"RPC error", []http.HandlerFunc{says(200, `{"error": {"name": "E", "message": "m"}}`)}, 1, RPC},
		{"no JSON", []http.HandlerFunc{says(200, "<html>")}, 1, Undecodable},
		{"too large", []http.HandlerFunc{says(200, strings.Repeat(" ", 2<<20))}, 1, TooLarge},
	}
	for _, tt := range tests {
		m := newMaster(t, tt.answers...)
		r, err := newClient(t, m.URL).Heartbeat(t.Context(), packetOf("s"))
		bodies := m.sent()
		if len(bodies) != tt.calls {
			t.Errorf("%s: %d calls, want %d", tt.name, len(bodies), tt.calls)
		}
		for _, body := range bodies[1:] {
			if body != bodies[0] {
				t.Errorf("%s: sent again as %s, first %s", tt.name, body, bodies[0])
			}
		}
		switch failed := (*Error)(nil); {
		case tt.class == "" && (err != nil || r.Sure != (tt.calls == 1)):
			t.Errorf("%s: %v, %v; want a result, sure only at once", tt.name, r, err)
		case tt.class != "" && (!errors.As(err, &failed) || failed.Class != tt.class):
			t.Errorf("%s: %v, want class %s", tt.name, err, tt.class)
		case tt.class != "" && failed.Unsure != (tt.class != RPC):
			t.Errorf("%s: unsure %t", tt.name, failed.Unsure)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	failed := failure(t, newClient(t, "http://127.0.0.1:1")) // a closed port may be another test's meanwhile
	if failed.Class != Transport || !strings.Contains(failed.Error(), "connection refused") {
		t.Errorf("%v", failed)
	}
}

// pipes is a network of net.Pipe, which the fake clock of synctest understands.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours, nil
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		other := newMaster(t, says(200, idle))
		m := newMaster(t, says(status, "moved", "Location", other.URL))
		failed := failure(t, newClient(t, m.URL))
		if failed.Class != HTTPStatus || failed.Status != status || len(other.sent()) != 0 {
			t.Errorf("%d: %v; the other master was called %d times", status, failed, len(other.sent()))
		}
		if !strings.Contains(failed.Error(), "redirects are not followed") {
			t.Errorf("%d: %v", status, failed)
		}
	}
}

func TestResponseLimit(t *testing.T) {
	limit := len(idle)
	chunked := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush() // no Content-Length
			_, _ = io.WriteString(w, body)
		}
	}
	for name, say := range map[string]func(string) http.HandlerFunc{
		"Content-Length": func(body string) http.HandlerFunc { return says(200, body, "Content-Length", fmt.Sprint(len(body))) },
		"chunked":        chunked,
	} {
		for surplus, large := range map[int]bool{-1: false, 0: false, 1: true, 5000: true} {
			body := strings.Repeat(" ", max(surplus, 0)) + idle
			c := newClient(t, newMaster(t, say(body)).URL, limitedTo(int64(limit-min(surplus, 0))))
			r, err := c.Heartbeat(t.Context(), packetOf("s"))
			var failed *Error
			switch {
			case !large && (err != nil || r == nil):
				t.Errorf("%s, limit %+d: %v", name, surplus, err)
			case large && (!errors.As(err, &failed) || failed.Class != TooLarge):
				t.Errorf("%s, limit %+d: %v, want too_large", name, surplus, err)
			case large && !strings.Contains(err.Error(), fmt.Sprintf("answer exceeds %d bytes (--max-response-bytes)", limit)):
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// An answer without end is left after the limit.
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = io.WriteString(w, strings.Repeat("[", 64<<10))
		}
	}
	if failed := failure(t, newClient(t, newMaster(t, endless).URL)); failed.Class != TooLarge {
		t.Errorf("endless: %v", failed)
	}
}

func TestBrokenOffAnswer(t *testing.T) {
	half := idle[:len(idle)/2]
	tests := []struct {
		name   string
		answer http.HandlerFunc
		class  Class
		want   string
	}{
		{"Content-Length", says(200, half, "Content-Length", fmt.Sprint(len(idle))), Transport, "read answer: unexpected EOF"},
		{"chunked", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, half)
			_ = http.NewResponseController(w).Flush()
			hangsUp(w, r)
		}, Transport, "read answer: unexpected EOF"},
		{"whole, but half of it", says(200, half), Undecodable, "unexpected EOF"},
		{"the page of a status", says(500, half, "Content-Length", fmt.Sprint(len(idle))), HTTPStatus, "HTTP 500"},
	}
	for _, tt := range tests {
		m := newMaster(t, tt.answer)
		failed := failure(t, newClient(t, m.URL))
		if failed.Class != tt.class || !strings.Contains(failed.Error(), tt.want) || !failed.Unsure {
			t.Errorf("%s: %s: %v, want %s: %s", tt.name, failed.Class, failed, tt.class, tt.want)
		}
		if n := len(m.sent()); n != 1 {
			t.Errorf("%s: %d calls, want no retry once an answer began", tt.name, n)
		}
	}
}

func TestDeadlineWhileReading(t *testing.T) {
	m := newMaster(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, idle[:10])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	// A busy machine may need longer for the beginning of the answer.
	timeout := 50 * time.Millisecond
	failed := failure(t, newClient(t, m.URL, within(timeout)))
	for !strings.Contains(failed.Error(), "read answer") && timeout < time.Hour {
		timeout *= 4
		failed = failure(t, newClient(t, m.URL, within(timeout)))
	}
	want := "heartbeat: master " + m.URL + "/afe/server/noauth/rpc/?method=shard_heartbeat gave no answer in time: " +
		"read answer: context deadline exceeded: " + timeout.String() + " ran out (--rpc-timeout)"
	if failed.Class != Deadline || !failed.Unsure || failed.Error() != want || !errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("%s\ngot  %v\nwant %s", failed.Class, failed, want)
	}
}

func TestCancelledWithCause(t *testing.T) {
	stopped := errors.New("stopped: the request was given 30s to end")
	ctx, cancel := context.WithCancelCause(t.Context())
	m := newMaster(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(stopped)
		<-r.Context().Done()
	})
	_, err := newClient(t, m.URL).Heartbeat(ctx, packetOf("s"))
	var failed *Error
	if !errors.As(err, &failed) || failed.Class != Deadline || !failed.Unsure ||
		!errors.Is(err, stopped) || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v, want class %s for the reason that %v", err, Deadline, stopped)
	}
	if n := len(m.sent()); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	// Nothing is sent when the time is over already.
	if _, err := newClient(t, m.URL).Heartbeat(ctx, packetOf("s")); !errors.Is(err, stopped) || len(m.sent()) != 1 {
		t.Errorf("%v after %d calls", err, len(m.sent()))
	}
}

func TestConcurrentHeartbeats(t *testing.T) {
	m := newMaster(t, says(200, unknownStatuses), says(200, idle))
	c := newClient(t, m.URL, speaking(ProtocolAuto))
	errs := make(chan error)
	for range 8 {
		go func() {
			_, err := c.Heartbeat(t.Context(), packetOf("s"))
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A name that moves to another address is followed with the next beat, and a balancer that closes
// connections between beats costs no retry: then the upload would not be sure.
func TestEachRequestHasAConnectionOfItsOwn(t *testing.T) {
	first, second := newMaster(t, says(503, ""), says(200, idle)), newMaster(t, says(200, idle))
	c := newClient(t, "http://master.test")
	transport := c.http.HTTPClient.Transport.(*http.Transport)
	transport.Proxy = nil
	dialled, stands := 0, first
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialled++
		return (&net.Dialer{}).DialContext(ctx, network, stands.Listener.Addr().String())
	}
	success(t, c)
	if r := success(t, c); !r.Sure || dialled != 3 || len(first.sent()) != 3 {
		t.Errorf("%d connections for %d requests, sure %t; want one each", dialled, len(first.sent()), r.Sure)
	}
	stands = second
	if r := success(t, c); !r.Sure || len(second.sent()) != 1 {
		t.Errorf("%d requests to the new address, sure %t", len(second.sent()), r.Sure)
	}
}
