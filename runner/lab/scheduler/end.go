package scheduler

import (
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
)

// ends returns the step that decides how an entry ends. The statements follow in later steps.
func (e *entry) ends(why, final string, atLeast, atMost int) *step {
	return &step{name: why, atLeast: atLeast, atMost: atMost, passing: true, do: func() error {
		e.memory.final = final
		return nil
	}}
}

// nextOfEnd returns the next step of an end. Lucifer ends only entries that have begun on a host,
// because the NULL comes with the host's release. The scheduler ends all others, whatever the
// variant of the job.
func (t *turn) nextOfEnd(e *entry) *step {
	if e.job.variant.isLucifer() && e.lease != nil && e.Status != queued && !isFinal(e.Status) {
		return t.nextOfLucifer(e)
	}
	m := e.memory
	sibling := e.idleSibling()
	switch {
	case e.Status != m.final:
		return spread("end: status", func() error { return t.setOnlyStatus(e, m.final) })
	case e.Active:
		return spread("end: active", func() error { return t.setActive(e, false) })
	case sibling != nil && !e.Finished && !m.asked:
		return t.stop(sibling)
	case e.Started && !e.Finished:
		return spread("end: finished_on", func() error { return t.setFinished(e) })
	case !m.asked:
		return t.asks(e.JobID, m)
	}
	return spread("end: complete", func() error { return t.setComplete(e) })
}

// nextOfLucifer ends an entry in one statement. The NULL comes after the last entry, when a host is
// released.
func (t *turn) nextOfLucifer(e *entry) *step {
	if sibling := e.idleSibling(); sibling != nil {
		return t.stop(sibling)
	}
	return spread("end", func() error {
		finished := pgtype.Timestamp{}
		if e.Started {
			finished = t.s.now()
		}
		_, err := t.write("end entry", e.ID, func() (int64, error) {
			return t.s.q.LuciferEndEntry(t.ctx, labdb.LuciferEndEntryParams{
				ID: e.ID, Status: e.memory.final, FinishedOn: finished,
			})
		})
		if err != nil {
			return err
		}
		return t.ended(e, e.memory.final)
	})
}

func (t *turn) stop(sibling *entry) *step {
	return spread("stop "+strconv.FormatInt(sibling.ID, 10), func() error {
		_, err := t.write("stop entry", sibling.ID, func() (int64, error) {
			return t.s.q.SchedulerStopEntry(t.ctx, sibling.ID)
		})
		if err != nil {
			return err
		}
		return t.ended(sibling, stopped)
	})
}

func (t *turn) setComplete(e *entry) error {
	_, err := t.write("complete entry", e.ID, func() (int64, error) {
		return t.s.q.SchedulerCompleteEntry(t.ctx, e.ID)
	})
	if err != nil {
		return err
	}
	return t.ended(e, e.Status)
}

// ended records the end of an entry in the turn, and ends what a real scheduler has written beside
// it. The host stays leased until a later turn releases it.
func (t *turn) ended(e *entry, final string) error {
	before := e.Status
	e.complete, e.Status, e.Active = true, final, false
	t.work.Open--
	switch final {
	case completed:
		t.work.Completed++
	case failed:
		t.work.Failed++
	case aborted:
		t.work.Aborted++
	case stopped:
		t.work.Stopped++
	}
	if err := t.prepares(e, before, final); err != nil {
		return err
	}
	if err := t.takesBack(e.JobID); err != nil {
		return err
	}
	return t.unblock(e)
}
