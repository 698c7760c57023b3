package afe

import (
	"github.com/go-json-experiment/json"
)

// Packet holds the arguments of one heartbeat (docs/protocol.md, "Request
// arguments").
type Packet struct {
	ShardHostname string `json:"shard_hostname"`
	// KnownJobIDs are jobs that need not be sent again, each once, ascending.
	KnownJobIDs  []int64 `json:"known_job_ids"`
	KnownHostIDs []int64 `json:"known_host_ids"`
	// KnownHostStatuses is parallel to KnownHostIDs; 2019 only.
	KnownHostStatuses []string      `json:"known_host_statuses,omitzero"`
	Jobs              []UploadJob   `json:"jobs"`
	Entries           []UploadEntry `json:"hqes"`
}

// UploadJob is a finished job. Relations never travel: the master writes foreign
// key ids as sent, and refuses nested objects. A string that is left out keeps
// its value on the master; see ASCII.
type UploadJob struct {
	ID                int64          `json:"id"`
	Owner             Maybe[string]  `json:"owner,omitzero"`
	Name              Maybe[string]  `json:"name,omitzero"`
	Priority          int32          `json:"priority"`
	ControlFile       Maybe[*string] `json:"control_file,omitzero"`
	ControlType       int32          `json:"control_type"`
	CreatedOn         *string        `json:"created_on"`
	SynchCount        int32          `json:"synch_count"`
	Timeout           int32          `json:"timeout"`
	TimeoutMins       int32          `json:"timeout_mins"`
	MaxRuntimeHrs     int32          `json:"max_runtime_hrs"`
	MaxRuntimeMins    int32          `json:"max_runtime_mins"`
	RunVerify         bool           `json:"run_verify"`
	RunReset          bool           `json:"run_reset"`
	EmailList         Maybe[string]  `json:"email_list,omitzero"`
	RebootBefore      int32          `json:"reboot_before"`
	RebootAfter       int32          `json:"reboot_after"`
	ParseFailedRepair bool           `json:"parse_failed_repair"`
	TestRetry         int32          `json:"test_retry"`
	RequireSSP        *bool          `json:"require_ssp"`
}

// UploadEntry is a host queue entry of an uploaded job. There is no job_id: the
// master knows whose it is.
type UploadEntry struct {
	ID              int64         `json:"id"`
	Status          Maybe[string] `json:"status,omitzero"`
	Active          bool          `json:"active"`
	Complete        bool          `json:"complete"`
	Deleted         bool          `json:"deleted"`
	Aborted         bool          `json:"aborted"`
	ExecutionSubdir Maybe[string] `json:"execution_subdir,omitzero"`
	StartedOn       *string       `json:"started_on"`
	FinishedOn      *string       `json:"finished_on"`
	// HostID is known to 2019 masters only.
	HostID Maybe[*int64] `json:"host_id,omitzero"`
}

// ASCII is the string as an upload field, or nothing when it holds a character
// outside ASCII: the original master answers such a request, escaped or not,
// with 500, and a field that is left out keeps its value there.
func ASCII(s string) Maybe[string] {
	if !isASCII(s) {
		return Maybe[string]{}
	}
	return Sent(s)
}

// ASCIIOrNull is ASCII for a field that may be null.
func ASCIIOrNull(s *string) Maybe[*string] {
	if s != nil && !isASCII(*s) {
		return Maybe[*string]{}
	}
	return Sent(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Size is the number of bytes that a job and its entries add to the request.
func Size(job *UploadJob, entries []UploadEntry) (int, error) {
	body, err := json.Marshal([]any{job, entries})
	return len(body) - len("[[]]") + len(","), err
}

// Body is the request in the given version of the protocol.
func (p *Packet) Body(protocol Protocol) ([]byte, error) {
	arguments := *p
	if protocol == Protocol2015 {
		arguments.KnownHostStatuses = nil
		arguments.Entries = make([]UploadEntry, len(p.Entries))
		for i, entry := range p.Entries {
			entry.HostID = Maybe[*int64]{}
			arguments.Entries[i] = entry
		}
	} else if arguments.KnownHostStatuses == nil {
		arguments.KnownHostStatuses = []string{} // omitzero drops nil, and 2019 insists on the key
	}
	return json.Marshal(&call{Method: method, Params: []*Packet{&arguments}, ID: requestID})
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
