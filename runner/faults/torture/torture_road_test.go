package torture

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// Faults of the road between clients and master.
const (
	roadRequestLost = "request lost"
	roadAnswerLost  = "answer lost"
	roadTruncated   = "answer truncated"
	road500         = "500 after it was stored"
	road502         = "502 of a proxy"
	roadHTML        = "200 with a page of HTML"
	roadAnswerLate  = "answer past the RPC deadline"
	roadRequestLate = "request stored past the RPC deadline"
	roadBadObject   = "bad object in an answer"
	roadMasterDown  = "master down"
)

var roadFaults = []string{roadRequestLost, roadAnswerLost, roadTruncated, road500, road502, roadHTML, roadAnswerLate, roadRequestLate, roadBadObject}

// every so many requests one meets a fault. Most faults cost the beat a second, and work has to get
// done.
const every = 6

// road is between the clients and the master.
type road struct {
	counts *counts
	down   atomic.Bool
	quiet  atomic.Bool

	mu       sync.Mutex
	draw     *rand.Rand
	requests int
	deck     []string // each fault once, in random order, and again
	spoil    int      // answers whose next object is to be spoilt
	late     sync.WaitGroup
}

func newRoad(c *counts, draw *rand.Rand) *road { return &road{counts: c, draw: draw} }

// calm ends the faults, and returns when nothing is on its way any more.
func (r *road) calm() {
	r.mu.Lock()
	r.spoil = 0
	r.mu.Unlock()
	r.down.Store(false)
	r.quiet.Store(true)
	r.late.Wait()
}

// next is the fault of the next request; "": none.
func (r *road) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests++; r.requests%every != 0 || r.quiet.Load() {
		return ""
	}
	if len(r.deck) == 0 {
		r.deck = append(r.deck, roadFaults...)
		r.draw.Shuffle(len(r.deck), func(i, j int) { r.deck[i], r.deck[j] = r.deck[j], r.deck[i] })
	}
	fault := r.deck[0]
	r.deck = r.deck[1:]
	if fault == roadBadObject {
		r.spoil++
		return ""
	}
	r.late.Add(1)
	r.counts.add(fault)
	return fault
}

func (r *road) between(master http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || r.down.Load() {
			panic(http.ErrAbortHandler)
		}
		request := copyOf(q, body)
		fault := r.next()
		if fault != "" {
			defer r.late.Done()
		}
		switch fault {
		case roadRequestLost:
			panic(http.ErrAbortHandler)
		case road502:
			w.WriteHeader(http.StatusBadGateway)
			return
		case roadHTML: // of somebody else: the master never has the request, and it is not repeated within the beat
			_, _ = io.WriteString(w, "<html>down for maintenance</html>")
			return
		case roadRequestLate:
			r.gaveUp(q)
		}
		answer := httptest.NewRecorder()
		master.ServeHTTP(answer, request)
		r.reply(w, q, fault, answer)
	})
}

// gaveUp waits until the client has gone, and a little longer: that is how a request waits in the
// master's queue.
func (r *road) gaveUp(q *http.Request) {
	<-q.Context().Done()
	r.mu.Lock()
	longer := time.Duration(r.draw.IntN(400)) * time.Millisecond
	r.mu.Unlock()
	<-time.After(longer)
}

func (r *road) reply(w http.ResponseWriter, q *http.Request, fault string, answer *httptest.ResponseRecorder) {
	body := answer.Body.Bytes()
	switch fault {
	case roadAnswerLost, roadRequestLate:
		panic(http.ErrAbortHandler)
	case roadAnswerLate:
		<-q.Context().Done()
	case road500:
		w.WriteHeader(http.StatusInternalServerError)
	case roadTruncated:
		_, _ = w.Write(body[:len(body)/2])
	default:
		w.WriteHeader(answer.Code)
		_, _ = w.Write(r.spoilt(body))
	}
}

// spoilt makes one object of an answer bad, when it is time for that and there is one.
func (r *road) spoilt(body []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var answer map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if r.spoil == 0 || decoder.Decode(&answer) != nil {
		return body
	}
	result, _ := answer["result"].(map[string]any)
	for _, kind := range []string{"job", "host"} {
		if objects, _ := result[kind+"s"].([]any); len(objects) > 0 {
			spoil(kind, objects[r.draw.IntN(len(objects))].(map[string]any))
			if changed, err := json.Marshal(answer); err == nil {
				r.spoil--
				r.counts.add(roadBadObject)
				return changed
			}
		}
	}
	return body
}
