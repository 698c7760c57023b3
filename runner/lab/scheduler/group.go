package scheduler

// The entries of a job with a synch_count run in groups of that size. Without one, each entry is a
// group of its own.

// mayRun reports whether an entry has not run and still may.
func (e *entry) mayRun() bool {
	return !e.complete && e.memory.final == "" && !e.Aborted && !e.Started && isBeforeRun(e.Status)
}

// isIdle reports whether an entry only waits: for a host, or for the rest of its group.
func (e *entry) isIdle() bool {
	return e.mayRun() && (e.Status == queued || e.Status == pending)
}

// isStranded reports whether an entry was to run with others that are gone.
func (e *entry) isStranded() bool {
	return e.memory.final == "" && !e.Aborted && e.Started && e.Status == pending && e.job.lacking() > 0
}

// started counts the entries that ran or are about to. As a rule these are whole groups.
func (j *job) started() int {
	n := j.ran
	for _, e := range j.entries {
		if e.Started {
			n++
		}
	}
	return n
}

// lacking returns how many entries are missing from a group that another scheduler began to mark as
// started. It is 0 when there is no such group.
func (j *job) lacking() int {
	return (j.synchCount - j.started()%j.synchCount) % j.synchCount
}

// groupSize returns how many entries the next group needs.
func (j *job) groupSize() int {
	if lacking := j.lacking(); lacking > 0 {
		return lacking
	}
	return j.synchCount
}

// chooses reports whether the entry is in the next group. The group consists of the pending entries
// with the lowest ids, once there are enough.
func (j *job) chooses(e *entry) bool {
	if j.cannotRun() {
		return false
	}
	size := j.groupSize()
	place, waiting := 0, 0
	for _, other := range j.entries {
		if other.mayRun() && other.Status == pending {
			waiting++
			if other == e {
				place = waiting
			}
		}
	}
	return place > 0 && place <= size && waiting >= size
}

// cannotRun reports whether the rest of a synchronous job can never run: too few entries are left
// for a group, or its group lost an entry before it ran.
func (j *job) cannotRun() bool {
	if j.synchCount == 1 {
		return false
	}
	mayRun := 0
	for _, e := range j.entries {
		switch {
		case e.mayRun():
			mayRun++
		case !e.Started && e.ExecutionSubdir != "":
			return true // it began, and ended before it ran
		}
	}
	return j.broken || mayRun < j.groupSize()
}

// isDoomed reports whether an entry waits in vain, and no other entry is left that would stop it
// when it ends. Of several such entries, the first is doomed and stops the others.
func (e *entry) isDoomed() bool {
	waits := func(e *entry) bool { return e.isIdle() || e.isStranded() }
	if !waits(e) || !e.job.cannotRun() {
		return false
	}
	for _, other := range e.job.entries {
		if !other.complete && (!waits(other) || other.ID < e.ID) {
			return false
		}
	}
	return true
}

// idleSibling returns an entry that has to be stopped when e ends, although it has not begun. When
// the rest of the job cannot run, that is any idle entry; in the siblings variant it is one without
// a host. An aborted entry stops no others.
func (e *entry) idleSibling() *entry {
	if e.memory.final == aborted {
		return nil
	}
	all := e.job.cannotRun()
	for _, other := range e.job.entries {
		if other != e && other.isIdle() && (all || e.job.variant == siblings && other.lease == nil) {
			return other
		}
	}
	return nil
}
