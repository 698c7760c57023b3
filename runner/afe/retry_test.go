package afe

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// after answers once some time has passed.
func after(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		<-time.After(d)
		answer(w, r)
	}
}

// The waits between retries, as they are in production.
func TestRetryWaits(t *testing.T) {
	s := time.Second
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		timeout time.Duration
		at      []time.Duration // of each call
		end     time.Duration
		class   Class
	}{
		{
			"1, 2 and 4 s", says(502, ""), time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, HTTPStatus,
		},
		{
			"broken connections too", hangsUp, time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, Transport,
		},
		{
			"Retry-After", says(429, "", "Retry-After", "10"), time.Hour,
			[]time.Duration{0, 10 * s, 20 * s, 30 * s}, 30 * s, HTTPStatus,
		},
		{
			"Retry-After of 503", says(503, "", "Retry-After", "10"), time.Hour,
			[]time.Duration{0, 10 * s, 20 * s, 30 * s}, 30 * s, HTTPStatus,
		},
		{
			// The clock of a synctest bubble starts in 2000.
			"Retry-After as a date", says(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:10 GMT"), time.Hour,
			[]time.Duration{0, 10 * s, 12 * s, 16 * s}, 16 * s, HTTPStatus,
		},
		{
			"Retry-After of 0", says(429, "", "Retry-After", "0"), time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, HTTPStatus,
		},
		{
			"Retry-After in the past", says(503, "", "Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"), time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, HTTPStatus,
		},
		{
			"Retry-After that makes no sense", says(503, "", "Retry-After", "-5"), time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, HTTPStatus,
		},
		{
			"Retry-After in words", says(503, "", "Retry-After", "soon"), time.Hour,
			[]time.Duration{0, s, 3 * s, 7 * s}, 7 * s, HTTPStatus,
		},
		{
			"Retry-After of more seconds than there are", says(429, "", "Retry-After", "99999999999999999999"), time.Hour,
			[]time.Duration{0, 60 * s, 120 * s, 180 * s}, 180 * s, HTTPStatus,
		},
		{
			"Retry-After of more nanoseconds than there are", says(429, "", "Retry-After", "18446744074"), time.Hour,
			[]time.Duration{0, 60 * s, 120 * s, 180 * s}, 180 * s, HTTPStatus,
		},
		{
			"Retry-After in the year 9999", says(429, "", "Retry-After", "Fri, 31 Dec 9999 00:00:00 GMT"), time.Hour,
			[]time.Duration{0, 60 * s, 120 * s, 180 * s}, 180 * s, HTTPStatus,
		},
		{
			"a time-out of a proxy", after(time.Minute, says(504, "")), time.Hour,
			[]time.Duration{0}, 60 * s, HTTPStatus,
		},
		{
			"a proxy that gives up in another way", after(time.Minute, says(502, "")), time.Hour,
			[]time.Duration{0}, 60 * s, HTTPStatus,
		},
		{
			"or says nothing", after(time.Minute, hangsUp), time.Hour,
			[]time.Duration{0}, 60 * s, Transport,
		},
		{
			"a slow refusal", after(9*s, says(502, "")), time.Hour,
			[]time.Duration{0, 10 * s, 21 * s, 34 * s}, 43 * s, HTTPStatus,
		},
		{
			"Retry-After capped at the pause", says(429, "", "Retry-After", "3600"), time.Hour,
			[]time.Duration{0, 60 * s, 120 * s, 180 * s}, 180 * s, HTTPStatus,
		},
		{
			"one deadline over all: no retry that could not begin", says(502, ""), 5 * s,
			[]time.Duration{0, s, 3 * s}, 3 * s, HTTPStatus,
		},
		{
			"nor after a broken connection", hangsUp, 5 * s,
			[]time.Duration{0, s, 3 * s}, 3 * s, Transport,
		},
		{
			"a call that hangs", hangs, 5 * s,
			[]time.Duration{0}, 5 * s, Deadline,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var at []time.Duration
				network := pipes{make(chan net.Conn), make(chan struct{})}
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					at = append(at, time.Since(start))
					tt.answer(w, r)
				})}
				go func() { _ = server.Serve(network) }()
				defer func() { _ = server.Close() }() // its listener is a pipe of this test
				capped := func(o *Options) { o.MaxRetryAfter = time.Minute }
				c := newClient(t, "http://master", within(tt.timeout), capped)
				c.http.RetryWaitMin, c.http.RetryWaitMax = retryWaitMin, retryWaitMax
				defer c.Close()
				c.http.HTTPClient.Transport.(*http.Transport).Proxy = nil
				c.http.HTTPClient.Transport.(*http.Transport).DialContext = network.dial
				failed := failure(t, c)
				end := time.Since(start)
				synctest.Wait()
				if failed.Class != tt.class || end != tt.end {
					t.Errorf("failed after %s: %v; want %s after %s", end, failed, tt.class, tt.end)
				}
				if diff := cmp.Diff(tt.at, at); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}
