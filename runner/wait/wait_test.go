package wait

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inner is a test that fails without failing this one. A real one has no deadline within synctest.
type inner struct {
	*testing.T
	deadline time.Time
	failure  string
}

func (i *inner) Deadline() (time.Time, bool) { return i.deadline, !i.deadline.IsZero() }

func (i *inner) Fatalf(format string, args ...any) {
	i.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails plays a wait in vain and returns how it failed, and after how long.
func fails(t *testing.T, deadline time.Duration, in func(testing.TB)) (failure string, after time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &inner{T: t}
		if deadline > 0 {
			i.deadline = time.Now().Add(deadline)
		}
		began, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			in(i)
		}()
		<-ended
		failure, after = i.failure, time.Since(began)
	})
	return failure, after
}

func TestWaitInVain(t *testing.T) {
	t.Parallel()
	state := func() string { return "nothing at all" }
	for name, in := range map[string]func(testing.TB){
		"until": func(t testing.TB) { Until(t, "the moon", func() bool { return false }, state) },
		"for":   func(t testing.TB) { For(t, "the moon", make(chan int), state) },
	} {
		for deadline, want := range map[time.Duration]time.Duration{
			0: Patience, time.Hour: Patience, time.Minute: time.Minute - farewell, time.Second: 0,
		} {
			failure, after := fails(t, deadline, in)
			if after != want {
				t.Errorf("%s, with a run that ends in %s: gave up after %s, want %s", name, deadline, after, want)
			}
			if !strings.Contains(failure, "the moon") || !strings.Contains(failure, "last seen: nothing at all") {
				t.Errorf("%s: does not say what it waited for, and what it saw: %s", name, failure)
			}
		}
	}
}

func TestWaitIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const late = 4 * time.Minute
		began, in := time.Now(), &inner{T: t}
		Until(in, "four minutes", func() bool { return time.Since(began) >= late })
		if took := time.Since(began); took > late+longestPause {
			t.Errorf("went on after %s, want %s", took, late)
		}
		gives := make(chan int, 1)
		gives <- 7
		if got := For(in, "a number", gives); got != 7 {
			t.Errorf("got %d, want 7", got)
		}
		closed := make(chan struct{})
		time.AfterFunc(late, func() { close(closed) })
		For(in, "the end", closed)
	})
}

func TestContextEndsAsAWaitDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, began := Context(&inner{T: t}), time.Now()
		<-ctx.Done()
		if took := time.Since(began); took != Patience {
			t.Errorf("ended after %s, want %s", took, Patience)
		}
	})
}
