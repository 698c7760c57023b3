package beat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Outlive returns a context that ends with parent, and that ends for the given cause when so much
// time has passed since ctx ended.
func Outlive(parent, ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
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

// WithCause puts before an error why the work was ended, if it was: the driver says no more than
// that a deadline is over.
func WithCause(work context.Context, err error) error {
	if cause := context.Cause(work); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
