// Package replay plays a recorded conversation between the original client and the original master
// to shard-client, beat by beat, and compares every request and every stored row.
//
// [Replay] shows the first heartbeats of a shard to people, with the real program. [Conversation]
// gives the recordings to tests.
//
// # Recordings
//
// The recordings in testdata/wire are never edited: where a test disagrees with them, the test is
// wrong.
package replay

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// recordings hold exchanges of the original client with the original master, in both versions of
// the protocol: raw requests and answers, and what either side had stored afterwards.
//
//go:embed testdata/wire
var recordings embed.FS

// Exchange is one recorded heartbeat of the conversation 01 to 09.
type Exchange struct {
	Name     string
	Request  []byte // body
	Response *Answer
	After    *Snapshot // the client's database after the exchange
	Master   *Snapshot // the master's database after the exchange
}

// Answer is a recorded answer of the original master.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

// Conversation returns the recorded heartbeats of a version of the protocol, "2015" or "2019", in
// order. Each starts from the database that the one before left behind.
func Conversation(protocol string) ([]Exchange, error) {
	dir := path.Join("testdata/wire", protocol)
	names, err := fs.Glob(recordings, dir+"/0*.request.http")
	if err != nil {
		return nil, fmt.Errorf("recording of protocol %s: %w", protocol, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("recording of protocol %s: there is none", protocol)
	}
	slices.Sort(names)
	exchanges := make([]Exchange, 0, len(names))
	for _, name := range names {
		e, err := readExchange(strings.TrimSuffix(name, ".request.http"))
		if err != nil {
			return nil, fmt.Errorf("recording %s: %w", name, err)
		}
		exchanges = append(exchanges, e)
	}
	return exchanges, nil
}

func readExchange(base string) (Exchange, error) {
	e := Exchange{Name: path.Base(base)}
	raw, err := recordings.ReadFile(base + ".request.http")
	if err != nil {
		return e, err
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return e, err
	}
	if e.Request, err = io.ReadAll(request.Body); err != nil {
		return e, err
	}
	if e.Response, err = readAnswer(base + ".response.http"); err != nil {
		return e, err
	}
	if e.After, err = readSnapshot(base + ".client-db.json"); err != nil {
		return e, err
	}
	e.Master, err = readSnapshot(base + ".master-db.json")
	return e, err
}

func readSnapshot(name string) (*Snapshot, error) {
	text, err := recordings.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseSnapshot(text)
}

func readAnswer(name string) (*Answer, error) {
	raw, err := recordings.ReadFile(name)
	if err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(response.Body)
	return &Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Body: body}, err
}

// ServeHTTP gives the recorded answer, whatever was asked.
func (a *Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", a.ContentType)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// DiffRequests describes how a request differs from a recorded one; "" means not at all. The order
// of known ids does not count, nor does a job id that the original repeats; each host id is
// compared together with its status.
func DiffRequests(recorded, sent []byte) string {
	want, err := comparableRequest(recorded)
	if err != nil {
		return fmt.Sprintf("recorded request: %v", err)
	}
	got, err := comparableRequest(sent)
	if err != nil {
		return fmt.Sprintf("sent request: %v", err)
	}
	return cmp.Diff(want, got)
}

func comparableRequest(body []byte) (map[string]any, error) {
	var request map[string]any
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	params, _ := request["params"].([]any)
	if len(params) != 1 {
		return nil, fmt.Errorf("want one object in params, got %d", len(params))
	}
	arguments, ok := params[0].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("params[0] is not an object")
	}
	jobs := map[any]bool{}
	for _, id := range list(arguments["known_job_ids"]) {
		jobs[id] = true
	}
	arguments["known_job_ids"] = jobs
	statuses, hosts := list(arguments["known_host_statuses"]), map[any]any{}
	for i, id := range list(arguments["known_host_ids"]) {
		hosts[id] = nil
		if i < len(statuses) {
			hosts[id] = statuses[i]
		}
	}
	arguments["known_host_ids"] = hosts
	if _, ok := arguments["known_host_statuses"]; ok {
		arguments["known_host_statuses"] = len(statuses)
	}
	return request, nil
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
