package pgtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// InExample runs the body of an Example, which is not given a testing.TB of its own, with one that
// stands for it. A failure panics. As in a test, the context ends and the cleanups run after the
// body.
//
// The stand-in can fail, log, clean up and give a context; its other methods are missing and panic.
func InExample(body func(t testing.TB)) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &exampleTB{ctx: ctx}
	defer t.cleanUp()
	defer cancel()
	body(t)
}

type exampleTB struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
}

func (t *exampleTB) cleanUp() {
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
}

func (t *exampleTB) Helper()                           {}
func (t *exampleTB) Context() context.Context          { return t.ctx }
func (t *exampleTB) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleTB) Failed() bool                      { return false } // a failure panics
func (t *exampleTB) Log(args ...any)                   {}
func (t *exampleTB) Logf(format string, args ...any)   {}
func (t *exampleTB) Error(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleTB) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (t *exampleTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
