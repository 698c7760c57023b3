package pgtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// Example stands for the testing.TB that an Example function is not given. Its zero value is ready;
// [Example.Close] runs what was registered with Cleanup. A failure panics, since an Example has no
// other way to fail. It can fail, log, clean up and give a context; the other methods of testing.TB
// are missing, and panic.
type Example struct {
	testing.TB
	cleanups []func()
}

// Close runs the cleanups, the last one first.
func (e *Example) Close() {
	for _, cleanup := range slices.Backward(e.cleanups) {
		cleanup()
	}
	e.cleanups = nil
}

// Helper does nothing: a panic shows its stack.
func (e *Example) Helper() {}

// Context returns a context that does not end.
func (e *Example) Context() context.Context { return context.Background() }

// Cleanup registers a function that [Example.Close] runs.
func (e *Example) Cleanup(cleanup func()) { e.cleanups = append(e.cleanups, cleanup) }

// Error panics.
func (e *Example) Error(args ...any) { panic(fmt.Sprint(args...)) }

// Errorf panics.
func (e *Example) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Fatal panics.
func (e *Example) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf panics.
func (e *Example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Failed reports false: a failure panics.
func (e *Example) Failed() bool { return false }

// Log does nothing: what an Example prints is compared.
func (e *Example) Log(...any) {}

// Logf does nothing: what an Example prints is compared.
func (e *Example) Logf(string, ...any) {}
