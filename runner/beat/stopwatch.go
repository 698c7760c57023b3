package beat

import (
	"math"
	"time"
)

// Stopwatch gives all time of a beat to one phase or another, so that the phases explain the whole
// beat. It writes into the fields of a [Report], in milliseconds.
type Stopwatch struct {
	last  time.Time
	phase *float64
}

// NewStopwatch returns a stopwatch whose first phase began at the given time.
func NewStopwatch(since time.Time) *Stopwatch { return &Stopwatch{last: since} }

// Start ends the phase before, if there was one, and gives the time from now on to this one.
func (w *Stopwatch) Start(phase *float64) {
	if w.phase != nil {
		w.Stop()
	}
	w.phase = phase
}

// Stop adds the time that has passed to the phase that was started last. It may be called again:
// each call adds the time since the one before.
func (w *Stopwatch) Stop() {
	if w.phase == nil {
		return
	}
	now := time.Now()
	// A sum of whole microseconds prints with at most three decimals, and not as
	// 3.2439999999999998.
	*w.phase = math.Round(*w.phase*1000+float64(now.Sub(w.last).Microseconds())) / 1000
	w.last = now
}
