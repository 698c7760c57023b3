package repair

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// Between the question and the answer a session may end, and its pid be another's.
func TestAPidThatWasGivenAgainIsNotEnded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	s, err := FindSession(t.Context(), pool, int32(conn.Conn().PgConn().PID()))
	if err != nil || s.started == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	before := s
	earlier := s.started.Add(-time.Microsecond)
	before.started = &earlier
	other := s
	other.Role = "somebody"
	for _, was := range []Session{before, other} {
		if err := EndSession(t.Context(), pool, was); !errors.Is(err, ErrNoSession) {
			t.Errorf("%v, want that it is gone", err)
		}
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("the session that has the pid now: %v", err)
	}
	if err := EndSession(t.Context(), pool, s); err != nil {
		t.Error(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the session that was meant goes on")
	}
}
