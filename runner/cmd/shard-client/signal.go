package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// Two signals within sameSignal count as one: timeout(1) signals its child and then the child's
	// whole group.
	sameSignal = 50 * time.Millisecond
	// atOnce is what the second signal waits for its line in the log.
	atOnce = 500 * time.Millisecond
)

// untilSignal returns a context that ends at the first SIGINT or SIGTERM, so that the beat in hand
// is finished. A second signal ends the process at once.
//
// SIGHUP reopens the log file of a command that beats, whether it has one or not: it must never end
// a beat in the middle. For every other command it stays what it is.
func (p *program) untilSignal(command string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if beats(command) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		var first time.Time
		for received := range signals {
			switch {
			case received == syscall.SIGHUP:
				p.lines.Reopen()
				p.log.Info("log file reopened", "signal", received.String())
			case first.IsZero():
				first = time.Now()
				if !beats(command) {
					cancel() // whoever pressed Ctrl-C knows it
					continue
				}
				p.stop(received, cancel)
			case time.Since(first) > sameSignal:
				p.exitAtOnce(received)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// begins reports whether a beat begins, which it does unless a signal came first.
func (p *program) begins(ctx context.Context) bool {
	p.stopping.Lock()
	defer p.stopping.Unlock()
	p.inHand.Store(ctx.Err() == nil)
	return p.inHand.Load()
}

// stop says what the first signal does, before whatever the end of the context lets others log. No
// beat begins between the two, so what it says is true.
func (p *program) stop(received os.Signal, cancel context.CancelFunc) {
	p.stopping.Lock()
	defer p.stopping.Unlock()
	defer cancel()
	if !p.inHand.Load() {
		p.log.Info("stopping; no beat is in hand", "signal", received.String())
		return
	}
	p.log.Info("stopping after the beat in hand; a second signal stops at once",
		"signal", received.String(), "stop_timeout_ms", p.settings.StopTimeout.Milliseconds(),
		"finish_timeout_ms", p.settings.WholeStop().Milliseconds())
}

// exitAtOnce ends the process. Its line in the log may be lost, because nothing that is stuck may
// hold the end.
func (p *program) exitAtOnce(received os.Signal) {
	time.AfterFunc(atOnce, func() { os.Exit(exitFailed) })
	p.log.Warn("stopped at once by a second signal", "signal", received.String())
	if register := p.deaths.Load(); register != nil {
		register.Close() // somebody wanted this
	}
	_ = p.lines.Close()
	os.Exit(exitFailed)
}
