package pg

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Many steps meet one cause, which is told once; each other cause is told, too.
func TestOneCauseIsToldOnce(t *testing.T) {
	t.Parallel()
	locked := &pgconn.PgError{Code: "55P03", Message: "canceling statement due to lock timeout"}
	broken := errors.New("connection reset")
	hosts, jobs := fmt.Errorf("store hosts: %w", locked), fmt.Errorf("store jobs: %w", locked)
	for name, tt := range map[string]struct {
		errs []error
		want string
	}{
		"nothing":    {[]error{nil, nil}, ""},
		"one":        {[]error{nil, hosts}, hosts.Error()},
		"the same":   {[]error{hosts, jobs}, hosts.Error()},
		"two":        {[]error{hosts, broken}, hosts.Error() + "\n" + broken.Error()},
		"a new half": {[]error{hosts, fmt.Errorf("store jobs: %w", errors.Join(locked, broken))}, hosts.Error() + "\nstore jobs: " + locked.Error() + "\n" + broken.Error()},
	} {
		got := ""
		if err := Together(tt.errs...); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Whether the next step is worth a try, and whether locks of others are all there is.
func TestWhatAnErrorMeansForTheNextStep(t *testing.T) {
	t.Parallel()
	locked, other := &pgconn.PgError{Code: "55P03"}, &pgconn.PgError{Code: "42P01"}
	readOnly, broken := &pgconn.PgError{Code: "25006"}, errors.New("connection reset")
	passedOver := &LockedError{Left: 2, First: "job 7", Row: "afe_labels 5"}
	for name, tt := range map[string]struct {
		err                   error
		isLocked, isOfOneStep bool
	}{
		"nil":              {nil, false, false},
		"locked":           {fmt.Errorf("store: %w", locked), true, true},
		"passed over":      {errors.Join(locked, fmt.Errorf("store: %w", passedOver)), true, true},
		"another":          {errors.Join(locked, other), false, true},
		"read-only":        {errors.Join(locked, readOnly), false, false},
		"no answer":        {errors.Join(locked, broken), false, false},
		"no answer at all": {broken, false, false},
	} {
		if got := IsLocked(tt.err); got != tt.isLocked {
			t.Errorf("%s: IsLocked %t", name, got)
		}
		if got := IsOfOneStep(tt.err); got != tt.isOfOneStep {
			t.Errorf("%s: IsOfOneStep %t", name, got)
		}
	}
	if text := passedOver.Error(); !strings.Contains(text, "2 left for the next beat, job 7 first") || !strings.Contains(text, "afe_labels 5") {
		t.Error(text)
	}
}
