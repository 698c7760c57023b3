package shard

import (
	"context"
	"fmt"
	"time"

	"shardclient/runner/beat"
)

// farewell is what a beat that was ended still has for its row in the history. Only tests change
// it.
var farewell = 5 * time.Second

// bounded returns the context of all that a beat does. It ends BeatTimeout after now, and
// FinishTimeout after ctx has ended. Every statement has a limit of its own, but a beat has
// hundreds of them: behind a table that somebody keeps locked, SIGTERM once waited for 16 hours.
// What is cut off is rolled back, and the next beat does it again (P3).
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	o := &c.options
	work, release := context.WithoutCancel(ctx), context.CancelFunc(func() {})
	if o.BeatTimeout > 0 {
		cause := fmt.Errorf("the beat was ended after %s (--beat-timeout)", o.BeatTimeout)
		work, release = context.WithTimeoutCause(work, o.BeatTimeout, cause)
	}
	if o.FinishTimeout == 0 {
		return work, release
	}
	cause := fmt.Errorf("stopped: the beat was given %s to end (--finish-timeout)", o.FinishTimeout)
	work, stop := beat.Outlive(work, ctx, o.FinishTimeout, cause)
	return work, func() {
		stop()
		release()
	}
}

// afterwards returns a context for what must still be done when the work is over, however it
// ended.
func afterwards(work context.Context) (context.Context, context.CancelFunc) {
	if work.Err() == nil {
		return context.WithCancel(work)
	}
	return context.WithTimeout(context.WithoutCancel(work), farewell)
}
