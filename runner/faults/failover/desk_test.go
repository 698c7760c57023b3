package failover

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/wait"
)

// desk is the master behind a counter: what happens between the moment an upload is stored and its
// answer is the test's.
type desk struct {
	*httptest.Server
	mu     sync.Mutex
	stored func() // called once, when an upload with finished jobs is stored and not yet answered
}

func (p *pair) openDesk() {
	p.t.Helper()
	handler, err := master.New(p.masterDB, master.Options{Protocol: afe.Protocol2019})
	p.must(err)
	d := &desk{}
	d.Server = httptest.NewServer(d.between(handler))
	p.t.Cleanup(d.Close)
	p.desk = d
}

// between is the counter.
func (d *desk) between(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if uploads(body) > 0 {
			d.mu.Lock()
			stored := d.stored
			d.stored = nil
			d.mu.Unlock()
			if stored != nil {
				stored()
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// beat posts a heartbeat of a shard that knows nothing, and returns the answer.
func (p *pair) beat(url, hostname string) (string, error) {
	body := `{"method": "shard_heartbeat", "params": [{"shard_hostname": "` + hostname + `"}], "id": 1}`
	request, err := http.NewRequestWithContext(wait.Context(p.t), http.MethodPost, url+master.Path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
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

// whenStored holds the answer to the next upload until the returned release is called; held is
// closed when it waits.
func (d *desk) whenStored() (held <-chan struct{}, release func()) {
	waits, goes := make(chan struct{}), make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored = func() {
		close(waits)
		<-goes
	}
	return waits, sync.OnceFunc(func() { close(goes) })
}
