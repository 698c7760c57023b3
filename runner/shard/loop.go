package shard

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// jitter keeps shards that were started together apart: each beat lies within
	// 10 % of the pause around its time (docs/decisions.md, 2017). The window moves on by
	// whole pauses, so that the average pause is the one asked for.
	jitter = 0.1
)

// Loop beats until it is told to stop. One turn is Beat, so that tests, `once`
// and `run` do the same.
type Loop struct {
	Beat  func(ctx context.Context) Beat
	Pause time.Duration
	// Drain is between beats while finished jobs are left over (2018), or while the
	// record that the master refuses is looked for; the pause, if that is shorter.
	Drain    time.Duration
	Splay    time.Duration // the first beat, and the first after an outage, waits a random part of it
	Lifetime time.Duration // no beat begins later than this after the start; 0: for ever
	Logger   *slog.Logger

	failures    int
	lastSuccess time.Time
}

// Run returns nil when ctx ends or the lifetime is over, and an error when a
// beat met something that no later beat can mend: a lock held by another client.
func (l *Loop) Run(ctx context.Context) error {
	began := time.Now()
	window := began.Add(randomPart(l.Splay))
	next := window
	for {
		if l.Lifetime > 0 && next.Sub(began) >= l.Lifetime {
			l.sleep(ctx, l.Lifetime-time.Since(began))
			l.Logger.Info("lifetime is over", "lifetime_ms", l.Lifetime.Milliseconds())
			return nil
		}
		if !l.sleep(ctx, time.Until(next)) {
			l.Logger.Info("stopped")
			return nil
		}
		beat := l.Beat(ctx)
		var held *HeldError
		if errors.As(beat.Err, &held) {
			return held
		}
		l.log(&beat)
		window, next = l.after(&beat, window, time.Now())
	}
}

// after says when the next window is, and when in it the next beat.
func (l *Loop) after(beat *Beat, window, now time.Time) (time.Time, time.Time) {
	if beat.Soon {
		return now, now.Add(min(l.Drain, l.Pause))
	}
	window = window.Add(l.Pause)
	if masterIsOut(beat) {
		// All shards met the same outage; where each meets its end is drawn anew.
		window = now.Add(l.Pause + randomPart(l.Splay))
		if beat.Failure == "deadline" {
			// The request that was given up still waits in the master's queue: as long as
			// it waited in vain, nothing is put behind it.
			window = window.Add(time.Duration(beat.RPCMS * float64(time.Millisecond)))
		}
	}
	for window.Before(now) {
		window = window.Add(l.Pause) // a beat longer than the pause misses windows
	}
	return window, window.Add(time.Duration((rand.Float64()*2 - 1) * jitter * float64(l.Pause)))
}

// masterIsOut tells an outage from a failure of this shard's own.
func masterIsOut(beat *Beat) bool {
	switch beat.Failure {
	case "transport", "deadline", "http_status":
		return true
	}
	return false
}

func randomPart(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// sleep returns false when ctx ended first.
func (l *Loop) sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// log writes one line a beat. A failure that repeats warns at the 1st, 2nd, 4th,
// 8th ... time and says how old the last success is; the others are for debug.
func (l *Loop) log(beat *Beat) {
	if beat.OK() {
		if l.failures > 1 {
			l.Logger.Info("heartbeats succeed again", "failed_before", l.failures)
		}
		l.failures, l.lastSuccess = 0, time.Now()
		l.Logger.Info("heartbeat", beat.attributes()...)
		return
	}
	l.failures++
	level := slog.LevelDebug
	if l.failures&(l.failures-1) == 0 {
		level = slog.LevelWarn
	}
	success := "never since the start"
	if !l.lastSuccess.IsZero() {
		success = time.Since(l.lastSuccess).Round(time.Second).String() + " ago"
	}
	attributes := append(beat.attributes(), "failures_in_a_row", l.failures, "last_success", success)
	l.Logger.Log(context.Background(), level, "heartbeat failed", attributes...)
}

// Log writes the line of a single beat.
func (b *Beat) Log(logger *slog.Logger) {
	(&Loop{Logger: logger}).log(b)
}

func (b *Beat) attributes() []any {
	attributes := []any{
		"packed_ms", b.PackedMS, "rpc_ms", b.RPCMS, "ack_ms", b.AckMS, "apply_ms", b.ApplyMS,
		"known_jobs", b.KnownJobs, "known_hosts", b.KnownHosts,
		"uploaded_jobs", b.UploadedJobs, "uploaded_entries", b.UploadedEntries,
		"received_hosts", b.ReceivedHosts, "received_jobs", b.ReceivedJobs, "received_keyvals", b.ReceivedKeyvals,
		"quarantined", b.Quarantined, "protocol", string(b.protocol),
	}
	if b.Err != nil {
		attributes = append([]any{"failure", b.Failure, "error", b.Error}, attributes...)
	}
	return attributes
}
