package pgtest

import (
	"context"
	"fmt"
	"slices"
)

// Example is a [T] for an Example function, which has no testing.TB. Its zero value is ready;
// [Example.Close] runs what was registered with Cleanup. A failure panics, since an Example has no
// other way to fail.
type Example struct{ cleanups []func() }

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

// Fatal panics.
func (e *Example) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
