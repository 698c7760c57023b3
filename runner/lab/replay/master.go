package replay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// heartbeatPattern matches heartbeats. Any other request is answered with 404 or 405, as by a real
// master.
const heartbeatPattern = "POST /afe/server/noauth/rpc/{$}"

// maxRecordedRequest is the largest request that the played master takes; recorded ones have 2 KB.
const maxRecordedRequest = 16 << 20

// recordedMaster plays a master. It is an HTTP server on a free port of this machine that answers
// any request with the recorded answer, and keeps the requests.
type recordedMaster struct {
	url    string
	server *http.Server
	served chan struct{} // closed when the server has ended

	mu       sync.Mutex
	answer   *Answer
	requests [][]byte
}

func startRecordedMaster() (*recordedMaster, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("play the master: %w", err)
	}
	m := &recordedMaster{url: "http://" + listener.Addr().String(), served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle(heartbeatPattern, m)
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: timeLimit}
	go func() {
		defer close(m.served)
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			_ = listener.Close() // the client's report of a refused connection says the rest
		}
	}()
	return m, nil
}

// stop ends the server at once, with all its connections.
func (m *recordedMaster) stop() {
	_ = m.server.Close()
	<-m.served
}

// answerWith sets the answer to give from now on, and forgets the requests so far.
func (m *recordedMaster) answerWith(answer *Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer, m.requests = answer, nil
}

// received returns the bodies of the requests since answerWith.
func (m *recordedMaster) received() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests
}

// ServeHTTP implements http.Handler.
func (m *recordedMaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRecordedRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	m.mu.Lock()
	m.requests = append(m.requests, body)
	answer := m.answer
	m.mu.Unlock()
	answer.ServeHTTP(w, r)
}
