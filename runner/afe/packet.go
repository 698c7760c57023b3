package afe

import (
	"bytes"
	"runtime"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Packet holds the arguments of one heartbeat (docs/protocol.md, "Request arguments"). Jobs and
// entries are JSON already, without white space: package shard makes them of their rows.
type Packet struct {
	// ShardHostname is the name by which the master knows the shard.
	ShardHostname string `json:"shard_hostname"`
	// KnownJobIDs are the jobs that the master need not send again, each once, ascending.
	KnownJobIDs []int64 `json:"known_job_ids"`
	// KnownHostIDs are the hosts that the shard has.
	KnownHostIDs []int64 `json:"known_host_ids"`
	// KnownHostStatuses are those of KnownHostIDs, in the same order; 2019 only.
	KnownHostStatuses []string `json:"known_host_statuses,omitzero"`
	// Jobs are the finished jobs to upload.
	Jobs []jsontext.Value `json:"jobs,omitzero"`
	// Entries are all entries of exactly those jobs, as a 2019 master takes them.
	Entries []jsontext.Value `json:"hqes,omitzero"`
}

// Body returns the request in the given version of the protocol. For a 2015 master it leaves out
// the statuses of hosts, and host_id in an entry. It fails when a text is not UTF-8. Jobs and
// entries go as they are: to look through them again took a quarter of the client's CPU time.
func (p *Packet) Body(protocol Protocol) ([]byte, error) {
	known, entries, size := *p, slices.Clone(p.Entries), 0
	// omitzero drops nil, and 2019 insists on the statuses.
	known.Jobs, known.Entries, known.KnownHostStatuses = nil, nil, append([]string{}, p.KnownHostStatuses...)
	if protocol == Protocol2015 {
		known.KnownHostStatuses = nil
		for i, entry := range entries {
			var fields map[string]jsontext.Value
			if err := json.Unmarshal(entry, &fields); err != nil {
				return nil, err
			}
			delete(fields, "host_id")
			var err error
			if entries[i], err = json.Marshal(fields, json.Deterministic(true)); err != nil {
				return nil, err
			}
		}
	}
	for _, record := range slices.Concat(p.Jobs, entries) {
		size += len(record) + len(",")
	}
	head, err := json.Marshal(&call{Method: method, Params: []*Packet{&known}, ID: requestID})
	const end = `}],"id":"` + requestID + `"}`
	body := make([]byte, 0, len(head)+size+len(`,"jobs":[],"hqes":[]`))
	body = append(body, bytes.TrimSuffix(head, []byte(end))...)
	body = appendListed(append(body, `,"jobs":[`...), p.Jobs)
	body = appendListed(append(body, `],"hqes":[`...), entries)
	return append(append(body, ']'), end...), err
}

// appendListed lets the garbage collector in, which the room for the body is likely to have woken:
// it stops whoever runs by signals, and none of them counts within a copy, each of which also waits
// for fresh memory. Both cores were busy with that for 13 ms
// (docs/decisions/0095-a-copy-lets-the-collector-in.md).
func appendListed(body []byte, records []jsontext.Value) []byte {
	for i, record := range records {
		if i%16 == 0 {
			runtime.Gosched()
		}
		body = append(append(body, record...), ',')
	}
	return bytes.TrimSuffix(body, []byte(","))
}

// Size returns the length of Body, without writing the known jobs: they may be 50,000. As they
// ascend, it need only look where they get another digit.
func (p *Packet) Size(protocol Protocol) (int, error) {
	rest := *p
	rest.KnownJobIDs = nil
	body, err := rest.Body(protocol)
	if err != nil {
		return 0, err
	}
	ids := p.KnownJobIDs
	smaller := func(than int64) int { n, _ := slices.BinarySearch(ids, than); return n }
	size := len(body) + max(len(ids)-1, 0) + len(ids) + smaller(0) // commas, a digit of each, signs
	for power := int64(10); power > 0; power *= 10 {               // past the last one it is negative
		size += len(ids) - smaller(power) + smaller(1-power)
	}
	return size, nil
}

const (
	method    = "shard_heartbeat"
	requestID = "jsonrpc"
)

type call struct {
	Method string    `json:"method"`
	Params []*Packet `json:"params"`
	ID     string    `json:"id"`
}
