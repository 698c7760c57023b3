package scheduler

import "fmt"

// releaseUnused does what a master's own scheduler does for hosts: it releases those that nobody
// uses, new ones above all.
func (t *turn) releaseUnused() error {
	released, err := t.s.q.SchedulerReleaseUnused(t.ctx)
	if err != nil {
		return fmt.Errorf("release unused hosts: %w", err)
	}
	t.work.Statements += int(min(released, 1))
	t.work.Released += int(released)
	return nil
}

// release brings the hosts of ended entries to Ready and frees them.
func (t *turn) release() error {
	if t.s.o.Hostless {
		return t.releaseUnused()
	}
	for _, h := range t.hosts {
		if !h.entryComplete {
			continue
		}
		m := t.s.remember(t.s.leases, h.entryID)
		for {
			next := t.nextOfHost(h, m)
			if next == nil || !t.s.isDue(m, h.entryID, next) {
				break
			}
			if err := next.do(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *turn) nextOfHost(h *host, m *memory) *step {
	switch h.status {
	case "": // released in this turn
		return nil
	case ready:
		return spread("release", func() error { return t.free(h) })
	case cleaning, repairing:
		return &step{name: "clean", atLeast: 1, atMost: 3, do: func() error { return t.setHostStatus(h, ready) }}
	}
	if t.owesAsk(h, m) {
		return t.asks(h.jobID, m)
	}
	return spread("clean up", func() error { return t.setHostStatus(h, t.s.cleanup(h)) })
}

// owesAsk reports whether lucifer has ended the last entry of the host's job and the NULL has not
// followed yet. A restarted scheduler recognises that only by the host, which is not cleaned yet.
// When two hosts of one job both owe the NULL, the cached job lets only the first one write it.
func (t *turn) owesAsk(h *host, m *memory) bool {
	return !m.asked && t.s.variantOf(h.jobID).isLucifer() && !t.hasOpenEntry(h.jobID)
}

func (t *turn) free(h *host) error {
	_, err := t.write("release host", h.id, func() (int64, error) {
		return t.s.q.SchedulerReleaseHost(t.ctx, h.id, h.entryID)
	})
	if err == nil {
		h.status = ""
		t.work.Released++
		t.work.Busy--
	}
	return err
}
