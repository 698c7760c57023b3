package afe

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Packet holds the arguments of one heartbeat (docs/protocol.md, "Request arguments"). Jobs and
// entries are JSON already: package shard makes them of their rows.
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
	Jobs []jsontext.Value `json:"jobs"`
	// Entries are all entries of exactly those jobs, as a 2019 master takes them.
	Entries []jsontext.Value `json:"hqes"`
}

// Body returns the request in the given version of the protocol. For a 2015 master it leaves out
// the statuses of hosts, and host_id in an entry. It fails when a job or an entry is not JSON, or a
// text is not UTF-8.
func (p *Packet) Body(protocol Protocol) ([]byte, error) {
	arguments := *p
	if protocol == Protocol2015 {
		arguments.KnownHostStatuses = nil
		arguments.Entries = make([]jsontext.Value, len(p.Entries))
		for i, entry := range p.Entries {
			var fields map[string]jsontext.Value
			if err := json.Unmarshal(entry, &fields); err != nil {
				return nil, err
			}
			delete(fields, "host_id")
			var err error
			if arguments.Entries[i], err = json.Marshal(fields, json.Deterministic(true)); err != nil {
				return nil, err
			}
		}
	} else if arguments.KnownHostStatuses == nil {
		arguments.KnownHostStatuses = []string{} // omitzero drops nil, and 2019 insists on the key
	}
	return json.Marshal(&call{Method: method, Params: []*Packet{&arguments}, ID: requestID})
}

// Size returns the length of Body, without writing the known jobs: they may be 50,000.
func (p *Packet) Size(protocol Protocol) (int, error) {
	rest := *p
	rest.KnownJobIDs = nil
	body, err := rest.Body(protocol)
	if err != nil {
		return 0, err
	}
	size := len(body) + max(len(p.KnownJobIDs)-1, 0) // the commas
	var digits [20]byte
	for _, id := range p.KnownJobIDs {
		size += len(strconv.AppendInt(digits[:0], id, 10))
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
