package afe

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A fault of our own says nothing about the master: it is neither outage nor overload nor refusal.
// And nothing was sent that could be stored late.
func TestOwnFaultsHaveAClassOfTheirOwn(t *testing.T) {
	answers := newMaster(t, says(200, `{"result": {"hosts": [], "jobs": [], "suite_keyvals": []}}`))
	unusable := &url.URL{Scheme: "http", Host: "master:port"} // net/url cannot read back what it prints
	for name, c := range map[string]struct {
		packet *Packet
		change func(*Options)
	}{
		"a name that is not UTF-8":  {&Packet{ShardHostname: "\xff"}, speaking(Protocol2019)},
		"an entry that is not JSON": {&Packet{Entries: []jsontext.Value{jsontext.Value(`{"id": `)}}, speaking(Protocol2015)},
		"a request without a host":  {&Packet{}, func(o *Options) { o.Master = unusable }},
	} {
		_, err := newClient(t, answers.URL, c.change).Heartbeat(t.Context(), c.packet)
		var failed *Error
		if !errors.As(err, &failed) || failed.Class != Internal || failed.Unsure || failed.Err == nil || failed.URL == "" {
			t.Errorf("%s: %#v, want class %s, and sure", name, err, Internal)
		} else if !strings.Contains(err.Error(), "please report it") {
			t.Errorf("%s: %v does not ask for a report", name, err)
		}
	}
	if n := len(answers.sent()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// The master answered the first protocol, and the packet cannot be written in the other one.
func TestOwnFaultAfterAnAnswerIsSure(t *testing.T) {
	m := newMaster(t, says(200, `{"error": {"name": "TypeError", "message": "unexpected known_host_statuses"}}`))
	packet := &Packet{Entries: []jsontext.Value{jsontext.Value(`[]`)}} // valid, but no object with a host_id
	_, err := newClient(t, m.URL, speaking(ProtocolAuto)).Heartbeat(t.Context(), packet)
	var failed *Error
	if !errors.As(err, &failed) || failed.Class != Internal || failed.Unsure || len(m.sent()) != 1 {
		t.Errorf("%v after %d requests, want class %s, and sure", err, len(m.sent()), Internal)
	}
}

// A Content-Length that nobody can allocate ended the process where the limit allowed it.
func TestContentLengthIsNotTakenAtItsWord(t *testing.T) {
	m := newMaster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(1<<50, 10))
		_, _ = io.WriteString(w, `{"result": `)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	failed := failure(t, newClient(t, m.URL, limitedTo(1<<51)))
	if failed.Class != Transport {
		t.Errorf("%v, want class %s", failed, Transport)
	}
}
