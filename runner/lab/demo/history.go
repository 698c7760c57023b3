package demo

import "time"

// history is what happened in each second of the play. An hour of it is small.
type history struct {
	shards  int
	seconds []*second
}

type second struct {
	backlog int64 // jobs that had not come to their end on the master
	master  cell
	shards  []cell
}

// cell is what a program did in one second.
type cell struct {
	beats, failed int           // the master: heartbeats it answered
	longest       time.Duration // of the beats that ended
	down          bool
}

func newHistory(shards int) *history { return &history{shards: shards} }

// second returns the second of a time since the beginning. Those before it that nobody looked at
// have the backlog of the last that somebody did.
func (h *history) second(since time.Duration) *second {
	n := max(0, int(since/time.Second))
	for len(h.seconds) <= n {
		next := &second{shards: make([]cell, h.shards)}
		if len(h.seconds) > 0 {
			next.backlog = h.seconds[len(h.seconds)-1].backlog
		}
		h.seconds = append(h.seconds, next)
	}
	return h.seconds[n]
}

// last returns the newest seconds, n at most.
func (h *history) last(n int) []*second { return h.seconds[max(0, len(h.seconds)-n):] }
