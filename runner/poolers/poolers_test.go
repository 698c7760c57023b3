package poolers_test

import (
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/pg"
	"shardclient/runner/pgtest"
	"shardclient/runner/poolers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// TestDirectPoolOpensNoOtherConnection: each connection at the start of a client costs it, and the
// server, some milliseconds.
func TestDirectPoolOpensNoOtherConnection(t *testing.T) {
	t.Parallel()
	door := &pg.Door{URL: pgtest.EmptyDatabase(t), Name: "client at its start"}
	pool, err := door.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	opened := 0
	door.Password = func() (string, error) { opened++; return "", nil } // asked for each connection
	if err := poolers.DirectPool(t.Context(), door, pool); err != nil {
		t.Fatal(err)
	}
	if made := pool.Stat().NewConnsCount(); made != 1 || opened != 1 {
		t.Errorf("%d connections of the pool, of %d in all, were opened, want 1 of 1", made, opened)
	}
	if err := poolers.Direct(t.Context(), door); err != nil || opened == 1 {
		t.Errorf("Direct: %v after %d questions for the password, want no error and more than 1", err, opened)
	}
}
