package master

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// An error without SQLSTATE, as a broken pooler sends it, ended the process.
func TestFaultsOfTheDatabaseHaveDjangosNames(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		"22001": "DataError", "23505": "IntegrityError", "57014": "OperationalError", "23": "IntegrityError",
		"2": "OperationalError", "": "OperationalError",
	} {
		if got := asFault(fmt.Errorf("store: %w", &pgconn.PgError{Code: state})); got.name != want {
			t.Errorf("SQLSTATE %q is a %s, want %s", state, got.name, want)
		}
	}
	if got := asFault(errors.New("connection reset")); got.name != "OperationalError" {
		t.Errorf("another error is a %s", got.name)
	}
}
