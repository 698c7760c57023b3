package network

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
)

// serve lets the master serve a request to its end, whatever becomes of the answer.
func serve(master http.Handler, q *http.Request) (answer *httptest.ResponseRecorder, body []byte) {
	body, err := readAll(q)
	answer = httptest.NewRecorder()
	if err != nil {
		answer.WriteHeader(http.StatusBadRequest) // the client went away
		return answer, body
	}
	return again(master, q, body), body
}

func readAll(q *http.Request) ([]byte, error) { return io.ReadAll(q.Body) }

// again lets the master serve a body, as of this request.
func again(master http.Handler, q *http.Request, body []byte) *httptest.ResponseRecorder {
	copied := q.Clone(q.Context())
	copied.Body, copied.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer := httptest.NewRecorder()
	master.ServeHTTP(answer, copied)
	return answer
}

// pass gives the master's answer to the client.
func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client may have gone away
}

// uploads counts the finished jobs of a request.
func uploads(body []byte) int {
	var request struct {
		Params []struct {
			Jobs []json.RawMessage `json:"jobs"`
		} `json:"params"`
	}
	if json.Unmarshal(body, &request) != nil || len(request.Params) != 1 {
		return 0
	}
	return len(request.Params[0].Jobs)
}
