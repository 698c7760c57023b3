package afe

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"shardclient/runner/objects"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	recordings    = "../lab/replay/testdata/wire"
	largeResponse = recordings + "/2019/large_first_heartbeat.response.json"
)

// recorded returns the raw files of a recording, by version and name.
func recorded(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(recordings, "20??", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recording %s (%v)", pattern, err)
	}
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path)] = raw
	}
	return files
}

func recordedRequest(t testing.TB, raw []byte) (*http.Request, []byte) {
	t.Helper()
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatal(err)
	}
	return request, body
}

func recordedResponse(t testing.TB, raw []byte) (int, []byte) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// idle is the answer to a beat that brings nothing.
const idle = `{"error": null, "result": {"jobs": [], "incorrect_host_ids": [], "hosts": [], "suite_keyvals": []}, "id": "jsonrpc"}`

// Answers of the original masters to a packet of the other version.
const (
	unknownStatuses = `{"error": {"message": "shard_heartbeat() got an unexpected keyword argument 'known_host_statuses'", ` +
		`"traceback": "Traceback", "name": "TypeError"}, "result": null, "id": "jsonrpc"}`
	noStatuses = `{"error": {"message": "", "traceback": "Traceback", "name": "AssertionError"}, "result": null, "id": "jsonrpc"}`
)

// scriptedMaster is a real HTTP server that gives its answers one after the other, the last one for
// ever, and keeps the requests.
type scriptedMaster struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newMaster(t testing.TB, answers ...http.HandlerFunc) *scriptedMaster {
	t.Helper()
	m := &scriptedMaster{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("master: read request: %v", err)
		}
		m.mu.Lock()
		answer := answers[min(len(m.requests), len(answers)-1)]
		m.requests, m.bodies = append(m.requests, r), append(m.bodies, string(body))
		m.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

// sent returns the bodies of all requests so far.
func (m *scriptedMaster) sent() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.bodies...)
}

// versions returns the protocol version of each request.
func (m *scriptedMaster) versions() string {
	var versions []string
	for _, body := range m.sent() {
		version := Protocol2015
		if strings.Contains(body, "known_host_statuses") {
			version = Protocol2019
		}
		versions = append(versions, string(version))
	}
	return strings.Join(versions, " ")
}

func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangsUp breaks the connection without an answer.
func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hangs gives no answer for as long as the client waits.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// newClient retries within milliseconds.
func newClient(t testing.TB, master string, change ...func(*Options)) *Client {
	t.Helper()
	u, err := url.Parse(master)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Master: u, User: "chromeos-test", Protocol: Protocol2019, Timeout: time.Minute,
		MaxResponseBytes: 1 << 20, UserAgent: "shard-client/test",
	}
	for _, f := range change {
		f(&options)
	}
	c, err := NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	c.http.RetryWaitMin, c.http.RetryWaitMax = time.Microsecond, time.Millisecond
	t.Cleanup(c.Close)
	return c
}

func speaking(p Protocol) func(*Options)    { return func(o *Options) { o.Protocol = p } }
func within(d time.Duration) func(*Options) { return func(o *Options) { o.Timeout = d } }
func limitedTo(bytes int64) func(*Options)  { return func(o *Options) { o.MaxResponseBytes = bytes } }
func packetOf(hostname string) *Packet      { return &Packet{ShardHostname: hostname} }
func pointer[T any](value T) *T             { return &value }
func wrap(section, objects string) []byte {
	return []byte(`{"result": {"` + section + `": [` + objects + `]}}`)
}
func decodeOK(t testing.TB, body []byte) *whole {
	t.Helper()
	response, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// whole is a response with all its objects. Ids of incorrect hosts that cannot be used are among
// what is malformed.
type whole struct {
	*Response
	IncorrectHosts   []told[int64]
	IncorrectHostIDs []int64

	Hosts        []told[objects.Host]
	Jobs         []told[objects.Job]
	SuiteKeyvals []told[objects.Keyval]
	Malformed    []malformed
}

// told is an object of a response with its text.
type told[T any] struct {
	Raw    jsontext.Value
	ID     int64
	Object T
	Err    error
}

type malformed struct {
	Section string
	Raw     jsontext.Value
	Err     error
}

// decode reads all of an answer; TestAnswerHoweverItComes reads it in other ways.
func decode(body []byte) (*whole, *Error) {
	response, err := Parse(body)
	if err != nil {
		return nil, err.(*Error)
	}
	defer response.Close()
	return wholeOf(response), nil
}

func wholeOf(r *Response) *whole {
	w := &whole{
		Response: r, Hosts: allOf(r, &r.Hosts), Jobs: allOf(r, &r.Jobs), SuiteKeyvals: allOf(r, &r.SuiteKeyvals),
		IncorrectHosts: allOf(r, &r.IncorrectHosts),
	}
	for _, m := range r.Malformed {
		w.Malformed = append(w.Malformed, malformed{m.Section, textOf(r, m.Place), m.Err})
	}
	for _, id := range w.IncorrectHosts {
		if id.Err == nil {
			w.IncorrectHostIDs = append(w.IncorrectHostIDs, id.Object)
		} else {
			w.Malformed = append(w.Malformed, malformed{"incorrect_host_ids", id.Raw, id.Err})
		}
	}
	return w
}

// allOf returns nil for a section that is not there.
func allOf[T any](r *Response, s *Section[T]) (all []told[T]) {
	if s.Found() {
		all = []told[T]{}
	}
	for i := range s.Len() {
		one, err := s.Read(i)
		if err != nil {
			panic(err) // there is no disk that could fail
		}
		all = append(all, told[T]{textOf(r, s.Place(i)), one.ID, one.Object, one.Err})
	}
	return all
}

func textOf(r *Response, p Place) jsontext.Value {
	text, err := r.Text(p, math.MaxInt64)
	if err != nil {
		panic(err) // there is no disk that could fail
	}
	return text
}

// failure fails the test unless the beat fails with an *Error.
func failure(t testing.TB, c *Client) *Error {
	t.Helper()
	response, err := c.Heartbeat(t.Context(), packetOf("shard1.example"))
	failed, ok := err.(*Error)
	if !ok || response != nil {
		t.Fatalf("got %v, %v, want an *Error", response, err)
	}
	return failed
}

func success(t testing.TB, c *Client) *Response {
	t.Helper()
	response, err := c.Heartbeat(t.Context(), packetOf("shard1.example"))
	if err != nil {
		t.Fatal(err)
	}
	return response
}
