package replay

import (
	"encoding/json"
	"fmt"

	"shardclient/runner/beat"
)

// The counts below are taken from the bytes on the wire and from the tables, not from the reports
// of shard-client.

// sentCounts says how many of each a request held.
type sentCounts struct{ knownHosts, knownJobs, jobs, entries int }

// cameCounts says how many of each an answer held.
type cameCounts struct{ hosts, jobs, keyvals, incorrect int }

// storedCounts says how many of each a shard's database holds.
type storedCounts struct {
	hosts, invalid int
	// pending jobs have finished and wait for their upload: the scheduler has set their shard_id to
	// NULL.
	jobs, pending int
	// An entry is open or complete, and either may be aborted: the scheduler still has to end an
	// open one.
	entries, complete, aborted int
}

// schedulerWork says how much the scheduler wrote between two heartbeats.
type schedulerWork struct{ statuses, completed, pending int }

// recordedRequest is the part of a request that the replay reads.
type recordedRequest struct {
	Params []struct {
		ShardHostname string            `json:"shard_hostname"`
		KnownHosts    []json.RawMessage `json:"known_host_ids"`
		KnownJobs     []json.RawMessage `json:"known_job_ids"`
		Jobs          []json.RawMessage `json:"jobs"`
		Entries       []json.RawMessage `json:"hqes"`
	} `json:"params"`
}

func readRequest(body []byte) (*recordedRequest, error) {
	r := &recordedRequest{}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if len(r.Params) != 1 {
		return nil, fmt.Errorf("read request: want one object in params, got %d", len(r.Params))
	}
	return r, nil
}

// shardHostname returns the host name that the recorded client sent.
func shardHostname(e Exchange) (string, error) {
	r, err := readRequest(e.Request)
	if err != nil {
		return "", fmt.Errorf("recording %s: %w", e.Name, err)
	}
	return r.Params[0].ShardHostname, nil
}

func countSent(request []byte) (sentCounts, error) {
	r, err := readRequest(request)
	if err != nil {
		return sentCounts{}, err
	}
	p := r.Params[0]
	return sentCounts{len(p.KnownHosts), len(p.KnownJobs), len(p.Jobs), len(p.Entries)}, nil
}

func countCame(answer []byte) (cameCounts, error) {
	var a struct {
		Result struct {
			Hosts     []json.RawMessage `json:"hosts"`
			Jobs      []json.RawMessage `json:"jobs"`
			Keyvals   []json.RawMessage `json:"suite_keyvals"`
			Incorrect []json.RawMessage `json:"incorrect_host_ids"`
		} `json:"result"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return cameCounts{}, fmt.Errorf("read answer: %w", err)
	}
	r := a.Result
	return cameCounts{len(r.Hosts), len(r.Jobs), len(r.Keyvals), len(r.Incorrect)}, nil
}

// readReport reads what `shard-client once --output json` has printed.
func readReport(stdout []byte) (reportCounts, error) {
	var b beat.Report
	if err := json.Unmarshal(stdout, &b); err != nil {
		return reportCounts{}, fmt.Errorf("read the report of shard-client: %w in %.200q", err, stdout)
	}
	return reportOf(b), nil
}

func countStored(s *Snapshot) storedCounts {
	c := storedCounts{hosts: len(s.Hosts), jobs: len(s.Jobs), entries: len(s.Entries)}
	for _, h := range s.Hosts {
		c.invalid += oneIf(h.Invalid)
	}
	finished := map[int64]bool{}
	for _, e := range s.Entries {
		c.complete += oneIf(e.Complete)
		c.aborted += oneIf(e.Aborted)
		finished[e.JobID] = finished[e.JobID] || e.Complete
	}
	for _, j := range s.Jobs {
		c.pending += oneIf(j.ShardID == nil && finished[j.ID])
	}
	return c
}

func schedulerWrote(before, after *Snapshot) schedulerWork {
	statuses := map[int64]string{}
	for _, h := range before.Hosts {
		statuses[h.ID] = h.Status
	}
	was, is := countStored(before), countStored(after)
	w := schedulerWork{completed: is.complete - was.complete, pending: is.pending}
	for _, h := range after.Hosts {
		w.statuses += oneIf(h.Status != statuses[h.ID])
	}
	return w
}

func oneIf(condition bool) int {
	if condition {
		return 1
	}
	return 0
}
