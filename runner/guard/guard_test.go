package guard

import (
	"errors"
	"strings"
	"testing"
)

func TestRunReturnsWhatTheStepReturns(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, want := range []error{nil, broken} {
		if got := Run(func() error { return want }); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func outOfRange(list []int) int { return list[7] }

func TestPanicBecomesAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	err := Run(func() error {
		outOfRange(nil)
		return nil
	})
	fault, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(err.Error(), "please report it") {
		t.Fatalf("%v, want a fault of our own", err)
	}
	if first, _, _ := strings.Cut(fault.Stack, "\n"); !strings.HasPrefix(first, "guard.outOfRange guard/guard_test.go:") {
		t.Errorf("the stack begins with %q", first)
	}
	if len(fault.Stack) > maxStack {
		t.Errorf("the stack has %d bytes", len(fault.Stack))
	}
}

func deep(n int) int {
	if n == 0 {
		panic("deep")
	}
	return deep(n-1) + 1
}

func TestStackIsBounded(t *testing.T) {
	t.Parallel()
	fault, ok := errors.AsType[*Error](Run(func() error { deep(1000); return nil }))
	if !ok || len(fault.Stack) != maxStack {
		t.Errorf("a stack of %d bytes, want %d", len(fault.Stack), maxStack)
	}
}
