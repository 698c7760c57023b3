package shard_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"shardclient/runner/afe"
)

// jobID is the job under test; its entries have ids from 101 on. The filler is another finished
// job, with a lower id, which goes first in a capped batch.
const (
	jobID    = 10
	fillerID = 5
)

// modelEntry is an entry as the master has it.
type modelEntry struct {
	Status                    string
	Active, Complete, Aborted bool
}

// modelMaster does with uploads and assignments of one job what the original master does
// (docs/protocol.md, "What the master does otherwise").
type modelMaster struct {
	entries map[int64]modelEntry
	// everComplete are the entries that were stored as complete at any time: only these may be
	// acknowledged.
	everComplete map[int64]bool
	sendAnyway   bool // the next answer names the job whatever the packet knew
}

func newModelMaster(entries int) *modelMaster {
	m := &modelMaster{entries: map[int64]modelEntry{}, everComplete: map[int64]bool{}}
	for i := range entries {
		m.entries[int64(101+i)] = modelEntry{Status: "Queued"}
	}
	return m
}

func (m *modelMaster) store(p *afe.Packet) {
	for _, record := range p.Entries {
		var e struct {
			ID int64 `json:"id"`
			modelEntry
		}
		if err := json.Unmarshal(record, &e); err != nil {
			panic(err)
		}
		if _, ours := m.entries[e.ID]; !ours {
			continue // of the filler
		}
		m.entries[e.ID] = e.modelEntry
		if e.Complete {
			m.everComplete[e.ID] = true
		}
	}
}

func (m *modelMaster) abort() {
	for id, e := range m.entries {
		e.Aborted = true
		m.entries[id] = e
	}
}

// answer sends the job if the shard does not know it, or knows it and every entry is aborted. It
// does not send the job once an entry has begun or ended on the master.
func (m *modelMaster) answer(p *afe.Packet) *afe.Response {
	begun, allAborted := false, true
	for _, e := range m.entries {
		begun = begun || e.Active || e.Complete
		allAborted = allAborted && e.Aborted
	}
	known := slices.Contains(p.KnownJobIDs, jobID)
	var jobs []string
	if m.sendAnyway || !begun && (!known || allAborted) {
		jobs = []string{m.job()}
	}
	m.sendAnyway = false
	r := parsed(result(nil, jobs, nil))
	r.Protocol, r.Sure = afe.Protocol2019, true
	return r
}

func (m *modelMaster) job() string {
	var entries []string
	for i := range len(m.entries) {
		id := int64(101 + i)
		e := m.entries[id]
		entries = append(entries, fmt.Sprintf(`{"id": %d, "status": %q, "aborted": %t}`, id, e.Status, e.Aborted))
	}
	return fmt.Sprintf(`{"id": %d, "owner": "alice", "name": "job", "created_on": "2019-03-15T10:20:31",
		"shard": {"id": 1, "hostname": %q}, "hostqueueentry_set": [%s]}`, jobID, ourShard, strings.Join(entries, ", "))
}

// statement is one statement of the scheduler, which commits by itself.
type statement struct {
	name string
	sql  func(s *schedulerState) string // returns "" when the scheduler leaves the statement out
}

// schedulerState is the job object that the scheduler has cached.
type schedulerState struct {
	cachedNull bool        // shard_id is NULL in the cached object
	readNull   func() bool // reports whether it would be NULL in a fresh object
}

// fields ends an entry except for its completion: it sets status, active and finished_on. None of
// them is a reason to upload, so one statement represents them all.
func fields(id int) statement {
	return statement{fmt.Sprintf("fields %d", id), func(*schedulerState) string {
		return fmt.Sprintf("UPDATE afe_host_queue_entries SET status = 'Completed', active = false, finished_on = '2019-03-15 11:30' WHERE id = %d", id)
	}}
}

// apart are the statements that fields stands for, each on its own, as the dispatcher of 2019 was
// seen to write them.
func apart(id int) (all []statement) {
	for _, set := range []string{"status = 'Parsing'", "active = false", "status = 'Completed'", "finished_on = '2019-03-15 11:30'"} {
		all = append(all, statement{fmt.Sprintf("%s %d", set, id), func(*schedulerState) string {
			return fmt.Sprintf("UPDATE afe_host_queue_entries SET %s WHERE id = %d", set, id)
		}})
	}
	return all
}

// handOff gives the job to lucifer, and handBack ends that. The first refers to the job, which
// locks its row for a moment.
func handOff() statement {
	return statement{"hand off", func(*schedulerState) string {
		return "INSERT INTO afe_job_handoffs (job_id, created) VALUES (10, now())"
	}}
}

func handBack() statement {
	return statement{"hand back", func(*schedulerState) string { return "UPDATE afe_job_handoffs SET completed = true WHERE job_id = 10" }}
}

func complete(id int) statement {
	return statement{fmt.Sprintf("complete %d", id), func(*schedulerState) string {
		return fmt.Sprintf("UPDATE afe_host_queue_entries SET complete = true WHERE id = %d", id)
	}}
}

func stop(id int) statement {
	return statement{fmt.Sprintf("stop %d", id), func(*schedulerState) string {
		return fmt.Sprintf("UPDATE afe_host_queue_entries SET status = 'Stopped', active = false, complete = true WHERE id = %d", id)
	}}
}

// whole is lucifer's one update of an entry.
func whole(id int) statement {
	return statement{fmt.Sprintf("whole %d", id), func(*schedulerState) string {
		return fmt.Sprintf("UPDATE afe_host_queue_entries SET status = 'Failed', active = false, complete = true, finished_on = '2019-03-15 11:30' WHERE id = %d", id)
	}}
}

const setNull = "UPDATE afe_jobs SET shard_id = NULL WHERE id = 10"

// freshNull asks for an upload as a scheduler does that has just read the job.
func freshNull() statement {
	return statement{"fresh NULL", func(s *schedulerState) string {
		if s.readNull() {
			return ""
		}
		return setNull
	}}
}

// cachedNull asks for an upload unless shard_id is NULL in the cached object, which it is from the
// first time on.
func cachedNull() statement {
	return statement{"cached NULL", func(s *schedulerState) string {
		if s.cachedNull {
			return ""
		}
		s.cachedNull = true
		return setNull
	}}
}

// readCache refreshes the cached job object.
func readCache() statement {
	return statement{"read cache", func(s *schedulerState) string {
		s.cachedNull = s.readNull()
		return ""
	}}
}

// amend changes an entry that is complete; a fresh NULL then asks for another upload.
func amend(id int) statement {
	return statement{fmt.Sprintf("amend %d", id), func(*schedulerState) string {
		return fmt.Sprintf("UPDATE afe_host_queue_entries SET status = 'Failed' WHERE id = %d", id)
	}}
}

// variants are the ways in which the original's two job runners end a job.
func variants(entries int) map[string][]statement {
	v := map[string][]statement{}
	for id := 101; id < 101+entries; id++ {
		v["fresh"] = append(v["fresh"], fields(id), freshNull(), complete(id))
		v["cached"] = append(v["cached"], fields(id), cachedNull(), complete(id))
		v["lucifer"] = append(v["lucifer"], whole(id))
		v["lucifer, cached late"] = append(v["lucifer, cached late"], whole(id), readCache())
	}
	if entries == 2 {
		v["each apart"] = append(apart(101), freshNull(), complete(101), fields(102), cachedNull(), complete(102))
	}
	if entries == 2 { // lucifer's job is handed off and comes back, beside its end
		v["handed off"] = slices.Concat([]statement{handOff()}, v["lucifer"], []statement{cachedNull(), handBack()})
	}
	v["amended"] = append(slices.Clone(v["fresh"]), amend(101), freshNull())
	v["lucifer"] = append(v["lucifer"], cachedNull())
	v["lucifer, cached late"] = append(v["lucifer, cached late"], cachedNull())
	// The last entries are idle siblings of the one that ends.
	ends := 101
	if entries == 3 {
		v["siblings"] = append(v["siblings"], fields(101), cachedNull(), complete(101))
		ends = 102
	}
	v["siblings"] = append(v["siblings"], fields(ends))
	for id := ends + 1; id < 101+entries; id++ {
		v["siblings"] = append(v["siblings"], stop(id))
	}
	v["siblings"] = append(v["siblings"], cachedNull(), complete(ends))
	return v
}
