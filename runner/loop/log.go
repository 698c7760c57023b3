package loop

import (
	"context"
	"log/slog"
	"time"

	"shardclient/runner/beat"
)

// log writes one line a beat. A failure is a warning when it is [worthTelling], with the age of the
// last success, and otherwise a line for debugging.
func (l *Loop) log(r *beat.Report) {
	log := l.options.Logger
	if r.OK() {
		if l.failures > 1 {
			log.Info("heartbeats succeed again", "failed_before", l.failures)
		}
		l.failures, l.lastSuccess = 0, time.Now()
		log.Info("heartbeat", r.Attributes()...)
		return
	}
	l.failures++
	level := slog.LevelDebug
	if worthTelling(l.failures) {
		level = slog.LevelWarn
	}
	success := "never since the start"
	if !l.lastSuccess.IsZero() {
		success = time.Since(l.lastSuccess).Round(time.Second).String() + " ago"
	}
	log.Log(context.Background(), level, "heartbeat failed",
		append(r.Attributes(), "failures_in_a_row", l.failures, "last_success", success)...)
}

// worthTelling reports whether the n-th failure in a row is the 1st, 2nd, 4th, 8th and so on.
func worthTelling(n int) bool { return n&(n-1) == 0 }

// Log writes the line of a single beat, as a loop would write that of its first.
func Log(log *slog.Logger, r *beat.Report) {
	(&Loop{options: Options{Logger: log}}).log(r)
}
