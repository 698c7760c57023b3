// Package replay plays the recorded conversation of the original client and the original master to shard-client, beat by
// beat, and compares every request and every stored row. The recordings in testdata/wire are never edited: where they
// and a test disagree, the test is wrong.
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

// The recordings are exchanges of the original client with the original master,
// both versions: raw requests and answers, and what the client had stored after.
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

// Conversation returns the recorded heartbeats of a version of the protocol, in
// their order: each starts from the database that the one before left.
func Conversation(protocol string) ([]Exchange, error) {
	dir := path.Join("testdata/wire", protocol)
	names, err := fs.Glob(recordings, dir+"/0*.request.http")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("recording of protocol %s: nothing found (%v)", protocol, err)
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
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Body: body}, err
}

// ServeHTTP gives the recorded answer, whatever was asked.
func (a *Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", a.ContentType)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// DiffRequests tells how a request differs from a recorded one; "" means not at
// all. Known ids are sets (the original repeats known job ids), host ids and
// statuses are pairs.
func DiffRequests(recorded, sent []byte) string {
	want, err := comparable(recorded)
	if err != nil {
		return fmt.Sprintf("recorded request: %v", err)
	}
	got, err := comparable(sent)
	if err != nil {
		return fmt.Sprintf("sent request: %v", err)
	}
	return cmp.Diff(want, got)
}

func comparable(body []byte) (map[string]any, error) {
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
		return nil, fmt.Errorf("params[0] is no object")
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
