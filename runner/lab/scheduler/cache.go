package scheduler

// cachedJob is the job object that the original keeps. What it says of shard_id decides whether a NULL is written, and
// it may say what was true long ago: docs/scheduler-contract.md.
type cachedJob struct {
	shardIsNull bool
	read        bool // by lucifer, after the job's last entry completed
}

// seeJob shows the cache the row of a job. When it is looked at is the difference between the variants.
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

// asks is the step that sets a job's shard_id to NULL, "upload me", unless the cached object says that it is. Whoever
// takes it remembers that, because the row does not tell: the client writes there too.
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
