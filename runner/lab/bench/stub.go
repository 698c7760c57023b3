package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// nothing is the answer of a master that has nothing to tell.
var nothing = []byte(`{"error": null, "result": {"hosts": [], "jobs": [], "suite_keyvals": [], "incorrect_host_ids": []}, "id": "jsonrpc"}`)

// stub is a master that answers from memory what it is told. Each request waits until somebody
// takes it: so the bench can prepare the database, or look at counters, while the client does
// nothing but wait.
type stub struct {
	server *http.Server
	url    string
	calls  chan call
	failed chan error
}

// call is a request that waits for its answer.
type call struct {
	at     time.Time // when it had arrived whole
	body   []byte    // the packet
	answer chan<- []byte
}

func newStub() (*stub, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the stub master: %w", err)
	}
	s := &stub{url: "http://" + listener.Addr().String(), calls: make(chan call), failed: make(chan error, 1)}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { s.failed <- s.server.Serve(listener) }()
	return s, nil
}

func (s *stub) close() error { return s.server.Close() }

// ServeHTTP implements http.Handler.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	answer := make(chan []byte, 1)
	select {
	case s.calls <- call{time.Now(), body, answer}:
	case <-r.Context().Done():
		return
	}
	select {
	case body := <-answer:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // a client that went away says so itself
	case <-r.Context().Done():
	}
}

// next waits for the next request.
func (s *stub) next(ctx context.Context) (call, error) {
	select {
	case c := <-s.calls:
		return c, nil
	case err := <-s.failed:
		return call{}, fmt.Errorf("the stub master ended: %w", err)
	case <-ctx.Done():
		return call{}, fmt.Errorf("wait for a heartbeat: %w", ctx.Err())
	}
}

// transfer returns how long it takes to fetch an answer and throw it away: what the wire alone
// costs.
func (s *stub) transfer(ctx context.Context, body []byte) (time.Duration, error) {
	go func() {
		if c, err := s.next(ctx); err == nil {
			c.answer <- body
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, http.NoBody)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("fetch an answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, fmt.Errorf("fetch an answer: %w", err)
	}
	return time.Since(began), nil
}
