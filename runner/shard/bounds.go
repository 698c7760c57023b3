package shard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// farewell is what a beat that was ended still has for its row in the history. Only tests change it.
var farewell = 5 * time.Second

// bounded returns the context of all that a beat does. It ends BeatTimeout after now, and
// FinishTimeout after ctx has ended. Every statement has a limit of its own, but a beat has
// hundreds of them: behind a table that somebody keeps locked, SIGTERM once waited for 16 hours.
// What is cut off is rolled back, and the next beat does it again (P3).
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	o := &c.options
	work, release := context.WithCancel(context.WithoutCancel(ctx))
	if o.BeatTimeout > 0 {
		cause := fmt.Errorf("the beat was ended after %s (--beat-timeout)", o.BeatTimeout)
		work, release = context.WithTimeoutCause(work, o.BeatTimeout, cause)
	}
	if o.FinishTimeout == 0 {
		return work, release
	}
	cause := fmt.Errorf("stopped: the beat was given %s to end (--finish-timeout)", o.FinishTimeout)
	work, stop := outlive(work, ctx, o.FinishTimeout, cause)
	return work, func() {
		stop()
		release()
	}
}

// outlive returns a context that ends with parent, and that ends for the given cause when so much
// time has passed since ctx ended.
func outlive(parent, ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	outliving, cancel := context.WithCancelCause(parent)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-outliving.Done():
		case <-timer.C:
			cancel(cause)
		}
	})
	return outliving, func() {
		stop()
		cancel(nil)
	}
}

// withCause puts before an error why the work was ended, if it was: the driver says no more than
// that a deadline is over.
func withCause(work context.Context, err error) error {
	if cause := context.Cause(work); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// afterwards returns a context for what must still be done when the work is over, however it
// ended.
func afterwards(work context.Context) (context.Context, context.CancelFunc) {
	if work.Err() == nil {
		return context.WithCancel(work)
	}
	return context.WithTimeout(context.WithoutCancel(work), farewell)
}
