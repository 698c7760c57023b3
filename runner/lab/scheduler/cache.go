package scheduler

// cachedJob is the job object that the original keeps in memory. Its shard_id decides whether a
// NULL is written, and may be long out of date: see docs/scheduler-contract.md.
type cachedJob struct {
	shardIsNull bool
	read        bool // by lucifer, after the job's last entry completed
}

// seeJob offers the row of a job to the cache. The variants differ in when the cache takes it.
func (t *turn) seeJob(id int64, shardIsNull, hasOpenEntry bool) {
	t.seenJobs[id] = true
	c := t.s.cache[id]
	if c == nil {
		t.s.cache[id] = &cachedJob{shardIsNull: shardIsNull, read: !hasOpenEntry}
		return
	}
	switch t.s.variantOf(id) {
	case fresh:
		c.shardIsNull = shardIsNull
	case luciferLate:
		if !c.read {
			c.shardIsNull, c.read = shardIsNull, !hasOpenEntry
		}
	}
}

// asks returns the step that sets a job's shard_id to NULL, which means "upload me". It writes
// nothing when the cached job is at NULL already. That the step was taken is remembered in m,
// because the row does not show it: the client writes shard_id too.
func (t *turn) asks(jobID int64, m *memory) *step {
	next := spread("shard_id", func() error {
		if c := t.s.cache[jobID]; !c.shardIsNull {
			if _, err := t.write("ask for upload of job", jobID, func() (int64, error) {
				return t.s.q.SchedulerAskForUpload(t.ctx, jobID)
			}); err != nil {
				return err
			}
			c.shardIsNull = true
			t.work.Asked++
		}
		m.asked = true
		return nil
	})
	next.passing = true
	return next
}
