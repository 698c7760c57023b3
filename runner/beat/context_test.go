package beat

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A context outlives the other one by a fixed time, and ends for the given cause, or with its
// parent.
func TestOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause, broken := errors.New("stopped"), errors.New("broken")
		ctx, stop := context.WithCancel(t.Context())
		outliving, release := Outlive(context.WithoutCancel(ctx), ctx, time.Minute, cause)
		defer release()
		<-time.After(time.Hour)
		if err := WithCause(outliving, broken); !errors.Is(err, broken) || errors.Is(err, cause) {
			t.Errorf("while it lives: %v", err)
		}
		stop()
		began := time.Now()
		<-outliving.Done()
		if err := WithCause(outliving, broken); time.Since(began) != time.Minute || err.Error() != "stopped: broken" {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := WithCause(outliving, cause); err != cause || WithCause(outliving, nil) != nil {
			t.Errorf("the cause twice: %v", err)
		}
		parent, end := context.WithCancelCause(t.Context())
		other, release := Outlive(parent, t.Context(), time.Minute, cause)
		defer release()
		end(broken)
		if <-other.Done(); context.Cause(other) != broken {
			t.Errorf("with its parent: %v", context.Cause(other))
		}
	})
}
