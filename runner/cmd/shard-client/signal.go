package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Two signals within this time count as one: timeout(1) signals its child and then the child's
// whole group.
const sameSignal = 50 * time.Millisecond

// untilSignal returns a context that ends at the first SIGINT or SIGTERM, so that the beat in hand
// is finished. A second signal ends the process at once.
func (p *program) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var first time.Time
		for received := range signals {
			switch {
			case first.IsZero():
				first = time.Now()
				p.log.Info("stopping after the beat in hand; a second signal stops at once",
					"signal", received.String(), "stop_timeout_ms", p.settings.StopTimeout.Milliseconds())
				cancel()
			case time.Since(first) > sameSignal:
				p.log.Warn("stopped at once by a second signal", "signal", received.String())
				os.Exit(exitFailed)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
