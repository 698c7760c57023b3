package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"shardclient/runner/lab/replay"
)

// fakeMaster is a real HTTP server that gives the answers of a test and keeps the requests.
type fakeMaster struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(number int, body []byte) http.Handler
	requests []request
}

// nobody is a master at a port where nobody can begin to listen. One that was closed may be another
// test's meanwhile: the calls of a beat take seven seconds.
var nobody = &fakeMaster{Server: &httptest.Server{URL: "http://127.0.0.1:1"}}

// request is a request to the master, as far as tests look at it.
type request struct {
	path, user string
	body       []byte
	Known      []int64   `json:"known_job_ids"`
	Statuses   *[]string `json:"known_host_statuses"`
	Jobs       []idOnly  `json:"jobs"`
	Entries    []idOnly  `json:"hqes"`
}

type idOnly struct {
	ID int64 `json:"id"`
}

// master starts a fakeMaster that gives the same answer to every request.
func master(t testing.TB, answer http.Handler) *fakeMaster {
	t.Helper()
	return masterThat(t, func(int, []byte) http.Handler { return answer })
}

// masterThat starts a fakeMaster that chooses its answer by the number of the request, from 1 on,
// and its body.
func masterThat(t testing.TB, answer func(number int, body []byte) http.Handler) *fakeMaster {
	t.Helper()
	m := &fakeMaster{answer: answer}
	m.Server = httptest.NewServer(m)
	t.Cleanup(func() {
		// Answers that hang must not keep Close waiting.
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// ServeHTTP implements http.Handler.
func (m *fakeMaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	received := request{path: r.Method + " " + r.URL.RequestURI(), user: r.Header.Get("Authorization"), body: body}
	var envelope struct{ Params []json.RawMessage }
	if json.Unmarshal(body, &envelope) == nil && len(envelope.Params) == 1 {
		_ = json.Unmarshal(envelope.Params[0], &received)
	}
	m.mu.Lock()
	m.requests = append(m.requests, received)
	answer := m.answer(len(m.requests), body)
	m.mu.Unlock()
	answer.ServeHTTP(w, r)
}

// received returns the requests so far.
func (m *fakeMaster) received() []request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]request(nil), m.requests...)
}

func (m *fakeMaster) last(t testing.TB) request {
	t.Helper()
	requests := m.received()
	if len(requests) == 0 {
		t.Fatal("the master was not called")
	}
	return requests[len(requests)-1]
}

func (r request) jobs() []int64 {
	var ids []int64
	for _, job := range r.Jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

// page answers with a status and a text.
func page(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

// answers answers with a JSON-RPC result.
func answers(result string) http.Handler {
	return page(http.StatusOK, `{"result": `+result+`, "error": null, "id": "jsonrpc"}`)
}

// refuses answers with an exception of the master.
func refuses(name, message string) http.Handler {
	body, err := json.Marshal(map[string]any{
		"result": nil, "id": "jsonrpc", "error": map[string]string{"name": name, "message": message, "traceback": message},
	})
	if err != nil {
		panic(err)
	}
	return page(http.StatusOK, string(body))
}

const nothing = `{"hosts": [], "jobs": [], "suite_keyvals": [], "incorrect_host_ids": []}`

// jobs returns a result with these jobs, queued without a host.
func jobs(ids ...int) string {
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf(`{"id": %d, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15",
			"shard": {"id": 1, "hostname": %q}, "hostqueueentry_set": [{"id": %d, "status": "Queued"}]}`, id, ourShard, 10*id))
	}
	return `{"hosts": [], "jobs": [` + strings.Join(list, ",") + `], "suite_keyvals": [], "incorrect_host_ids": []}`
}

// hangs answers once the channel is closed, or when the client goes away.
func hangs(release <-chan struct{}, then http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			then.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// breaksOff announces a longer body than it sends.
var breaksOff = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"result": {"hosts": [`)
})

// recording returns the recorded conversation with a 2019 master.
func recording(t testing.TB) []replay.Exchange {
	t.Helper()
	exchanges, err := replay.Conversation("2019")
	if err != nil {
		t.Fatal(err)
	}
	return exchanges
}

// recorded answers as the original master did to a request that was made by hand.
func recorded(t testing.TB, name string) http.Handler {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "lab", "replay", "testdata", "wire", name+".response.http"))
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	var status int
	if _, err := fmt.Sscanf(string(head), "HTTP/1.0 %d", &status); err != nil || !ok {
		t.Fatalf("%s is not an HTTP answer: %v", name, err)
	}
	return page(status, string(body))
}

// says changes the answer.
func (m *fakeMaster) says(answer http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = func(int, []byte) http.Handler { return answer }
}
