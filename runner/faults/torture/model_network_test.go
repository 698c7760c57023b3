package torture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
)

// What becomes of a request. A request that waits is stored when the model says so, over newer
// ones; its client has heard as much as of one that is lost.
const (
	answered    = "answered"
	requestLost = "request lost"
	answerLost  = "answer lost"
	requestLate = "request late"
	errorPage   = "error page"
)

var fates = []string{answered, answered, answered, requestLost, answerLost, requestLate, errorPage}

// plan is what happens to the next request.
type plan struct {
	fate           string
	before, stored func() error // before the master has it, and before the master's answer leaves
}

// network is what stands between the clients and the master. A beat has one request, and one beat
// runs at a time, but for one that begins within another's plan.
type network struct {
	mu     sync.Mutex
	master http.Handler
	next   *plan
	late   []*http.Request
	bad    map[string]bool // "job 7": broken on its way for as long as it is here
	came   map[string]bool // in the last answer; true: broken
	err    error
}

func (n *network) between(master http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		p := n.take(master)
		n.note(err, p.before)
		request := copyOf(r, body)
		switch p.fate {
		case requestLost:
			breakOff(w)
		case requestLate:
			n.mu.Lock()
			n.late = append(n.late, request)
			n.mu.Unlock()
			breakOff(w)
		}
		answer := httptest.NewRecorder()
		master.ServeHTTP(answer, request)
		n.note(nil, p.stored)
		switch p.fate {
		case answerLost:
			breakOff(w)
		case errorPage:
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "<html>sorry</html>")
		default:
			w.WriteHeader(answer.Code)
			_, _ = w.Write(n.breakObjects(answer.Body.Bytes()))
		}
	})
}

// copyOf outlives the connection that a request came by.
func copyOf(r *http.Request, body []byte) *http.Request {
	c := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	c.Header = r.Header.Clone()
	return c
}

// breakOff ends an answer that has begun, so that the request is not repeated within the beat: that
// would take seconds.
func breakOff(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"result": {`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (n *network) take(master http.Handler) plan {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.master = master
	p := plan{fate: answered}
	if n.next != nil {
		p = *n.next
	}
	n.next = nil
	return p
}

// note keeps the first error, for the test's own goroutine.
func (n *network) note(err error, do func() error) {
	if err == nil && do != nil {
		err = do()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
	}
}

// deliver lets the master store requests that its clients have given up.
func (n *network) deliver() {
	for _, r := range n.late {
		n.master.ServeHTTP(httptest.NewRecorder(), r)
	}
	n.late = nil
}

// breakObjects makes bad objects of those that the model names: one cannot be understood, one
// PostgreSQL does not take.
func (n *network) breakObjects(body []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.came = map[string]bool{}
	broken := false
	var answer map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return body
	}
	result, _ := answer["result"].(map[string]any)
	for _, kind := range []string{"host", "job"} {
		objects, _ := result[kind+"s"].([]any)
		for _, o := range objects {
			object := o.(map[string]any)
			key := fmt.Sprintf("%s %v", kind, object["id"])
			if n.came[key] = n.bad[key]; n.bad[key] {
				broken = true
				spoil(kind, object)
			}
		}
	}
	if !broken {
		return body
	}
	changed, err := json.Marshal(answer)
	if err != nil {
		return body
	}
	return changed
}

func spoil(kind string, object map[string]any) {
	id, _ := object["id"].(json.Number).Int64()
	name := map[string]string{"host": "hostname", "job": "name"}[kind]
	switch id % 3 {
	case 0:
		object[name] = "a\x00b"
	case 1:
		object[name] = 12
	default:
		object[map[string]string{"host": "protection", "job": "priority"}[kind]] = json.Number("99999999999")
	}
}

// last tells of each object of the last answer whether it was spoilt.
func (n *network) last() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.came)
}
