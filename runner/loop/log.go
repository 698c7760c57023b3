package loop

import (
	"context"
	"log/slog"
	"time"

	"shardclient/runner/beat"
)

// log writes one line a beat. A failure is a warning when it is worth telling, with the age of the
// last success and the time until the next beat, and otherwise a line for debugging.
func (l *Loop) log(r *beat.Report, wait time.Duration) {
	log := l.options.Logger
	if r.OK() {
		if l.failures > 1 {
			log.Info("heartbeats succeed again", "failed_before", l.failures)
		}
		l.failures, l.lastSuccess, l.teller = 0, time.Now(), teller{}
		log.Info("heartbeat", r.Attributes()...)
		return
	}
	l.failures++
	level := slog.LevelDebug
	if l.teller.worthTelling() {
		level = slog.LevelWarn
	}
	success := "never"
	if !l.lastSuccess.IsZero() {
		success = time.Since(l.lastSuccess).Round(time.Second).String() + " ago"
	}
	attributes := append(r.Attributes(), "failures_in_a_row", l.failures, "last_success", success)
	if wait > 0 {
		attributes = append(attributes, "next_beat_ms", wait.Milliseconds())
	}
	log.Log(context.Background(), level, "heartbeat failed", attributes...)
}

// quiet is the longest time without a word about a failure that repeats. Doubling alone leaves
// hours without one: at a beat a minute none between the 256th failure and the 512th.
const quiet = 30 * time.Minute

// teller decides which of the failures that repeat are told.
type teller struct {
	failures int
	last     time.Time
}

// worthTelling reports whether the failure of this moment is the 1st, 2nd, 4th, 8th and so on, or
// the first for half an hour that is told.
func (t *teller) worthTelling() bool {
	t.failures++
	now := time.Now()
	if t.failures&(t.failures-1) != 0 && now.Sub(t.last) < quiet {
		return false
	}
	t.last = now
	return true
}

// Log writes the line of a single beat, which knows of none before it.
func Log(log *slog.Logger, r *beat.Report) {
	if r.OK() {
		log.Info("heartbeat", r.Attributes()...)
	} else {
		log.Warn("heartbeat failed", r.Attributes()...)
	}
}
