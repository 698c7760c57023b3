package loop

import (
	"context"
	"time"
)

// [Until] tries again after a second, and then after twice the time, up to this.
const (
	untilPauseMin = time.Second
	untilPauseMax = 15 * time.Second
)

// Until calls try until it returns nil, with pauses of 1, 2, 4, 8, 15, 15 ... seconds. It returns
// nil then; the error of an attempt that is final, because no later attempt can mend it; or
// ctx.Err() when ctx ends first.
//
// tell is called after the 1st, 2nd, 4th, 8th ... attempt that failed, and at least every half
// hour, with its error and number.
func Until(ctx context.Context, try func() (final bool, err error), tell func(err error, tries int)) error {
	pause := untilPauseMin
	var failures teller
	for tries := 1; ; tries++ {
		final, err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err() // an attempt that is cut short says nothing
		case final:
			return err
		case failures.worthTelling():
			tell(err, tries)
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, untilPauseMax)
	}
}
