package pg

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// PostgreSQL has the first rows before many are made.
func TestTheFirstRowsOfACopyAreSentAtOnce(t *testing.T) {
	made := 0
	rows := pgx.CopyFromFunc(func() ([]any, error) { made++; return []any{int64(made), strings.Repeat("x", 100)}, nil })
	r := &copyReader{types: pgtype.NewMap(), columns: []uint32{pgtype.Int8OID, pgtype.TextOID}, rows: rows, most: firstCopied}
	message := make([]byte, mostCopied)
	n, err := r.Read(message)
	if err != nil || n > 2*firstCopied || made > 30 {
		t.Errorf("the first message has %d bytes, of %d rows: %v", n, made, err)
	}
	if n, err = r.Read(message); err != nil || n != len(message) {
		t.Errorf("the next one has %d bytes: %v; want it full", n, err)
	}
}
