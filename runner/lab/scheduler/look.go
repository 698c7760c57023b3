package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"shardclient/gen/labdb"
)

// turn holds what one turn has read, kept up to date with what it writes.
type turn struct {
	s    *Scheduler
	ctx  context.Context
	work Work

	jobs    []*job           // jobs with an open entry, ordered by id
	entries map[int64]*entry // open entries
	hosts   []*host          // hosts that are leased for an entry, ordered by id

	leased   map[int64]bool // entries that a host is leased for
	seenJobs map[int64]bool
}

// job is a job with open entries.
type job struct {
	id      int64
	variant variant
	entries []*entry // open when the turn began, by id

	synchCount int  // how many entries run together; at least 1
	ran        int  // how many complete entries had started
	broken     bool // an entry ended while its group was gathering
}

// entry is an open entry.
type entry struct {
	labdb.SchedulerOpenEntriesRow
	job      *job
	lease    *host // nil means that no host is leased for it
	memory   *memory
	complete bool // it was completed in this turn
}

// host is a host that is leased for an entry.
type host struct {
	id       int64
	hostname string
	status   string

	entryID       int64
	jobID         int64
	entryStatus   string
	entryComplete bool // when the turn began
}

// look reads the tables: open entries with their jobs, then the hosts at work. assign reads a third
// time when an entry waits for a host. Between these reads only a client can write, and nothing
// that a client writes makes an entry or a lease appear twice.
func (s *Scheduler) look(ctx context.Context) (*turn, error) {
	rows, err := s.openEntries(ctx)
	if err != nil {
		return nil, fmt.Errorf("read open entries: %w", err)
	}
	var atWork []labdb.SchedulerHostsAtWorkRow
	if !s.o.Hostless {
		if atWork, err = s.q.SchedulerHostsAtWork(ctx); err != nil {
			return nil, fmt.Errorf("read hosts at work: %w", err)
		}
	}
	s.looks++
	t := &turn{
		s:        s,
		ctx:      ctx,
		work:     Work{Turns: 1},
		entries:  make(map[int64]*entry, len(rows)),
		leased:   map[int64]bool{},
		seenJobs: map[int64]bool{},
	}
	for _, row := range rows {
		t.addEntry(row)
	}
	for _, row := range atWork {
		t.addHost(row)
	}
	t.work.Open, t.work.Busy = len(t.entries), len(t.hosts)
	return t, nil
}

func (s *Scheduler) openEntries(ctx context.Context) ([]labdb.SchedulerOpenEntriesRow, error) {
	if !s.o.Hostless {
		return s.q.SchedulerOpenEntries(ctx)
	}
	hostless, err := s.q.SchedulerOpenHostlessEntries(ctx)
	rows := make([]labdb.SchedulerOpenEntriesRow, len(hostless))
	for i, row := range hostless {
		rows[i] = labdb.SchedulerOpenEntriesRow(row)
	}
	return rows, err
}

// addEntry adds an entry and its job. Rows must come ordered by job.
func (t *turn) addEntry(row labdb.SchedulerOpenEntriesRow) {
	if len(t.jobs) == 0 || t.jobs[len(t.jobs)-1].id != row.JobID {
		j := &job{
			id:         row.JobID,
			variant:    t.s.variantOf(row.JobID),
			synchCount: max(1, int(row.SynchCount)),
			ran:        int(row.Ran),
			broken:     row.Broken,
		}
		if t.s.o.Hostless {
			j.synchCount = 1 // entries without hosts do not wait for each other
		}
		t.jobs = append(t.jobs, j)
		t.seeJob(j.id, row.ShardIsNull, true)
	}
	j := t.jobs[len(t.jobs)-1]
	e := &entry{SchedulerOpenEntriesRow: row, job: j, memory: t.s.remember(t.s.open, row.ID)}
	if isFinal(row.Status) {
		e.memory.final = row.Status // another scheduler began to end it
	}
	j.entries = append(j.entries, e)
	t.entries[e.ID] = e
}

func (t *turn) addHost(row labdb.SchedulerHostsAtWorkRow) {
	h := &host{
		id:            row.ID,
		hostname:      row.Hostname,
		status:        row.Status,
		entryID:       row.EntryID,
		jobID:         row.JobID,
		entryStatus:   row.EntryStatus,
		entryComplete: row.EntryComplete,
	}
	t.hosts = append(t.hosts, h)
	t.leased[h.entryID] = true
	if e := t.entries[h.entryID]; e != nil {
		e.lease = h
	} else if !t.seenJobs[h.jobID] {
		t.seeJob(h.jobID, row.ShardIsNull, false)
	}
}

// write runs one statement and reports whether it found its row.
func (t *turn) write(what string, id int64, statement func() (int64, error)) (bool, error) {
	changed, err := statement()
	if err != nil {
		return false, fmt.Errorf("%s %d: %w", what, id, err)
	}
	t.work.Statements += int(changed)
	return changed > 0, nil
}

// hasOpenEntry reports whether an entry of the job was open when the turn began.
func (t *turn) hasOpenEntry(jobID int64) bool {
	_, found := slices.BinarySearchFunc(t.jobs, jobID, func(j *job, id int64) int { return cmp.Compare(j.id, id) })
	return found
}
