package network

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shardclient/runner/faults"
)

// answer stands between master and client. stored is what the master says to a request that it has
// served: the upload is in its database, whatever the client hears.
type answer func(w http.ResponseWriter, q *http.Request, stored *httptest.ResponseRecorder)

// What a master, or whatever stands before it, should not answer. The upload is stored each time,
// and the answer of no use.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const notMeant = "(--max-response-bytes)"
	tests := []struct {
		name   string
		answer answer
		felt   []string
	}{
		{"ShorterThanItsLength", shorterThanItsLength, []string{"failure=transport", "read answer: unexpected EOF"}},
		{"ChunkedAndCut", chunkedAndCut, []string{"failure=transport", "read answer: unexpected EOF"}},
		{"ResetInTheMiddle", resetInTheMiddle, []string{"failure=transport", "connection reset by peer"}},
		{"TooLarge", tooLarge, []string{"failure=too_large", "answer exceeds 131072 bytes", notMeant}},
		{"Endless", endless, []string{"failure=too_large", "answer exceeds 131072 bytes", notMeant}},
		{"GzipBomb", gzipBomb, []string{"failure=undecodable", "is not JSON-RPC"}},
		{"PageWith200", page(200), []string{"failure=undecodable", "is not JSON-RPC", "Please log in"}},
		{"EmptyWith200", empty(200), []string{"failure=undecodable", "nothing came"}},
		{"NoContent", empty(204), []string{"failure=http_status", "answered HTTP 204"}},
		{"PageWith502", page(502), []string{"failure=http_status", "answered HTTP 502", "Please log in"}},
		{"AfterTheDeadline", afterTheDeadline, []string{"failure=deadline", "900ms ran out (--rpc-timeout)"}},
		{"ByteByByte", byteByByte, []string{"failure=deadline", "read answer: ", "900ms ran out (--rpc-timeout)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, faults.Options{})
			r.run("--max-response-bytes=128KiB")
			r.play(fault{begin: func() { r.answers(tt.answer) }, end: r.honest, felt: tt.felt})
		})
	}
	t.Run("ResetInTheRequest", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, faults.Options{})
		r.run()
		r.play(fault{begin: func() { r.l.Between(resetInTheRequest) }, end: r.honest, size: bulk, felt: []string{"failure=transport"}})
	})
}

// answers lets the master store what comes, and answer like this.
func (r *rig) answers(with answer) {
	r.l.Between(func(master http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			stored, _ := serve(master, q)
			if accepted := q.Header.Get("Accept-Encoding"); accepted != "" && accepted != "identity" {
				r.t.Errorf("the client accepts an encoding: %q", accepted)
			}
			with(w, q, stored)
		})
	})
}

func (r *rig) honest() { r.l.Between(nil) }

func shorterThanItsLength(w http.ResponseWriter, _ *http.Request, stored *httptest.ResponseRecorder) {
	w.Header().Set("Content-Length", fmt.Sprint(stored.Body.Len()+1))
	_, _ = w.Write(stored.Body.Bytes())
}

func chunkedAndCut(w http.ResponseWriter, _ *http.Request, stored *httptest.ResponseRecorder) {
	_, _ = w.Write(stored.Body.Bytes())
	_ = http.NewResponseController(w).Flush() // all of it, but the end
	panic(http.ErrAbortHandler)
}

func resetInTheMiddle(w http.ResponseWriter, _ *http.Request, stored *httptest.ResponseRecorder) {
	_, _ = w.Write(stored.Body.Bytes()[:stored.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	reset(w)
}

func resetInTheRequest(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.ReadFull(q.Body, make([]byte, 100))
		reset(w)
	})
}

// reset closes the connection with what is on its way thrown away.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func tooLarge(w http.ResponseWriter, _ *http.Request, stored *httptest.ResponseRecorder) {
	body := strings.Repeat(" ", 128<<10) + stored.Body.String()
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = io.WriteString(w, body)
}

func endless(w http.ResponseWriter, _ *http.Request, _ *httptest.ResponseRecorder) {
	for err := error(nil); err == nil; {
		_, err = io.WriteString(w, strings.Repeat(" ", 32<<10))
	}
}

// bomb is 1 MiB in 1 KiB, eight times what the client is to read.
var bomb = sync.OnceValue(func() string {
	var text strings.Builder
	packed := gzip.NewWriter(&text)
	_, _ = packed.Write(make([]byte, 1<<20))
	_ = packed.Close()
	return text.String()
})

func gzipBomb(w http.ResponseWriter, _ *http.Request, _ *httptest.ResponseRecorder) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = io.WriteString(w, bomb())
}

func page(status int) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ *httptest.ResponseRecorder) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body>Please log in</body></html>")
	}
}

func empty(status int) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ *httptest.ResponseRecorder) { w.WriteHeader(status) }
}

func afterTheDeadline(w http.ResponseWriter, q *http.Request, stored *httptest.ResponseRecorder) {
	<-q.Context().Done()
	pass(w, stored)
}

// byteByByte is never silent for long, so that only a deadline of the whole ends it.
func byteByByte(w http.ResponseWriter, q *http.Request, stored *httptest.ResponseRecorder) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, one := range stored.Body.Bytes() {
		if _, err := w.Write([]byte{one}); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return
		}
	}
}

// A redirect is not followed, wherever it points: the packet is for the master that --master names.
func TestRedirects(t *testing.T) {
	t.Parallel()
	felt := []string{"failure=http_status", "redirects are not followed"}
	t.Run("ToTheSameHost", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, faults.Options{})
		var followed atomic.Int64
		r.run()
		r.play(fault{begin: func() {
			r.l.Between(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					if strings.HasPrefix(q.URL.Path, "/moved") {
						followed.Add(1)
					}
					http.Redirect(w, q, "/moved"+q.URL.Path, http.StatusTemporaryRedirect)
				})
			})
		}, end: r.honest, felt: append(slices.Clone(felt), "HTTP 307", "/moved/afe/server/noauth/rpc/")})
		if n := followed.Load(); n != 0 {
			t.Errorf("followed %d times", n)
		}
	})
	// Go sends a packet on after a 308, and asks with an empty GET after a 301.
	for _, status := range []int{http.StatusMovedPermanently, http.StatusPermanentRedirect} {
		t.Run(fmt.Sprintf("ToAnotherHostBy%d", status), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, faults.Options{})
			other, called := stranger(t)
			r.run()
			r.play(fault{begin: func() {
				r.l.Between(func(http.Handler) http.Handler { return http.RedirectHandler(other+"/afe/server/noauth/rpc/", status) })
			}, end: r.honest, felt: append(slices.Clone(felt), fmt.Sprintf("HTTP %d", status), other)})
			if n := called.Load(); n != 0 {
				t.Errorf("the other host was called %d times", n)
			}
		})
	}
	t.Run("FromHTTPSToPlainHTTP", testRedirectToPlainHTTP)
}

// stranger is a host that is not to be called.
func stranger(t *testing.T) (address string, called *atomic.Int64) {
	t.Helper()
	called = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(server.Close)
	return server.URL, called
}
