package pg

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]Class{
		"22001": Data, "23505": Data, "21000": Data, "54000": Data, "40001": Conflict, "40P01": Conflict,
		"25006": ReadOnly, "25001": Other, "57014": Cancelled, "55P03": Locked,
		"55006": Other, "57P01": Other, "53100": Other, "42P01": Other,
		"": Other, "2": Other, "23": Data, "äöü": Other,
	} {
		err := fmt.Errorf("store: %w", &pgconn.PgError{Code: state})
		if got := Classify(err); got != want {
			t.Errorf("SQLSTATE %q: class %d, want %d", state, got, want)
		}
	}
	for constraint, want := range map[string]Class{
		"afe_hosts_labels_pkey": Conflict, "afe_hosts_hostname_key": Data, "": Data,
	} {
		if got := Classify(&pgconn.PgError{Code: "23505", ConstraintName: constraint}); got != want {
			t.Errorf("duplicate of %q: class %d, want %d", constraint, got, want)
		}
	}
	for _, err := range []error{nil, errors.New("connection reset")} {
		if got := Classify(err); got != Other {
			t.Errorf("%v: class %d, want Other", err, got)
		}
	}
}

func TestReasonNamesTheValue(t *testing.T) {
	t.Parallel()
	full := &pgconn.PgError{Code: "23505", Message: "duplicate key", Detail: "Key (id)=(7) already exists."}
	want := "duplicate key: Key (id)=(7) already exists. (SQLSTATE 23505)"
	if got := Reason(fmt.Errorf("store: %w", full)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Reason(&pgconn.PgError{Code: "22001", Message: "too long"}); got != "too long (SQLSTATE 22001)" {
		t.Errorf("without a detail: %q", got)
	}
	if got := Reason(errors.New("broken")); got != "broken" {
		t.Errorf("another error: %q", got)
	}
}
