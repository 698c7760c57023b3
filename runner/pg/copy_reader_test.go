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

// Once a COPY is over nobody asks for a row, whoever still reads.
func TestNobodyReadsRowsAfterACopy(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	made := 0
	rows := pgx.CopyFromFunc(func() ([]any, error) {
		if made++; made == 1 {
			close(asked)
			<-goOn
		}
		return []any{int64(made)}, nil
	})
	r := &copyReader{types: pgtype.NewMap(), columns: []uint32{pgtype.Int8OID}, rows: rows, most: 1}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = r.Read(make([]byte, 100))
	}()
	<-asked
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	select {
	case <-stopped:
		t.Error("it was stopped while a row was made")
	default:
	}
	close(goOn)
	<-read
	<-stopped
	before := made
	for range 3 {
		_, _ = r.Read(make([]byte, 100))
	}
	if made != before {
		t.Errorf("%d rows were made afterwards", made-before)
	}
}
