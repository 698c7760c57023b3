package scheduler

// The entries of a job with a synch_count run in groups of that size; without one each is a group of its own.

// mayRun says whether an entry has not run and still may.
func (e *entry) mayRun() bool {
	return !e.complete && e.memory.final == "" && !e.Aborted && !e.Started && isBeforeRun(e.Status)
}

// isIdle says whether an entry does nothing but wait: for a host, or for others to run with.
func (e *entry) isIdle() bool {
	return e.mayRun() && (e.Status == queued || e.Status == pending)
}

// isStranded says whether an entry was to run with others that are no longer there.
func (e *entry) isStranded() bool {
	return e.memory.final == "" && !e.Aborted && e.Started && e.Status == pending && e.job.lacking() > 0
}

// started counts the entries that ran or are about to, whole groups as a rule.
func (j *job) started() int {
	n := j.ran
	for _, e := range j.entries {
		if e.Started {
			n++
		}
	}
	return n
}

// lacking is how many entries a group lacks that another scheduler began to mark as started; 0: no such group.
func (j *job) lacking() int {
	return (j.synchCount - j.started()%j.synchCount) % j.synchCount
}

// groupSize is how many entries the next group needs.
func (j *job) groupSize() int {
	if lacking := j.lacking(); lacking > 0 {
		return lacking
	}
	return j.synchCount
}

// chooses says whether the entry is in the next group: the lowest ids that are pending, once there are enough.
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

// cannotRun says whether what is left of a synchronous job is too little for a group, or its group lost one on the way.
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
			return true // it began, and ends before it runs
		}
	}
	return j.broken || mayRun < j.groupSize()
}

// isDoomed says whether an entry waits in vain and nobody is left whose end would stop it. Of several the first ends by
// itself and stops the others.
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

// idleSibling is an entry that ends with e although it has not begun: one of a job whose rest cannot run, or, in the
// siblings variant, one that has no host yet. An aborted entry stops nobody.
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
