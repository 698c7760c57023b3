package repair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/pg"
)

// Session is somebody who is connected to the database. Its JSON is a contract.
type Session struct {
	PID         int32  `json:"pid"` // of the server
	Role        string `json:"role"`
	Application string `json:"application"`
	Address     string `json:"address"` // "": on this machine, by a socket
	State       string `json:"state"`   // "": of another role, about which PostgreSQL tells little
	// InTransaction is told of every role's session, TransactionSeconds only where the times may be
	// seen; otherwise it is null.
	InTransaction      bool     `json:"in_transaction"`
	TransactionSeconds *float64 `json:"transaction_seconds"`
	// Blocks are the sessions that wait for what it has locked.
	Blocks []int32 `json:"blocks"`
	// HoldsLock reports whether it has the lock of this shard.
	HoldsLock bool `json:"holds_lock"`
	// Query is the beginning of what it runs, or ran last.
	Query string `json:"query"`

	started *time.Time // nil: not to be seen
}

// Sessions returns everybody who is connected to the database but the caller, the oldest
// transaction first.
func Sessions(ctx context.Context, db sharddb.DBTX) ([]Session, error) {
	rows, err := sharddb.New(db).SessionList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the sessions of the database: %w", err)
	}
	list := make([]Session, len(rows))
	for i, r := range rows {
		list[i] = Session{
			PID: r.Pid, Role: r.Role, Application: r.Application, Address: r.Address, State: r.State,
			InTransaction: r.InTransaction, Blocks: append([]int32{}, r.Blocks...), HoldsLock: r.HoldsLock, Query: r.Query, started: r.Started,
		}
		if r.TimesKnown {
			list[i].TransactionSeconds = &r.TransactionSeconds
		}
	}
	return list, nil
}

// Holds says what others wait for because of the session: a transaction, the lock of the shard.
func (s *Session) Holds() string {
	var all []string
	if s.HoldsLock {
		all = append(all, "the shard's lock")
	}
	switch {
	case s.TransactionSeconds != nil:
		all = append(all, "a transaction for "+(time.Duration(*s.TransactionSeconds)*time.Second).String())
	case s.InTransaction:
		all = append(all, "a transaction")
	}
	if len(s.Blocks) > 0 {
		all = append(all, "what "+strings.Trim(fmt.Sprint(s.Blocks), "[]")+" waits for")
	}
	return strings.Join(all, ", ")
}

// ErrNoSession says that nobody has such a session.
var ErrNoSession = errors.New("no session of this database has that pid; `shard-client sessions list` shows them")

// FindSession returns one session of the database.
func FindSession(ctx context.Context, db sharddb.DBTX, pid int32) (Session, error) {
	list, err := Sessions(ctx, db)
	for _, one := range list {
		if one.PID == pid {
			return one, nil
		}
	}
	if err == nil {
		err = ErrNoSession
	}
	return Session{}, err
}

// EndSession ends a session that was found; what it has not committed is rolled back.
func EndSession(ctx context.Context, db sharddb.DBTX, s Session) error {
	ended, err := sharddb.New(db).SessionEnd(ctx, sharddb.SessionEndParams{Pid: s.PID, Role: s.Role, Started: s.started})
	switch {
	case pg.Forbidden(err):
		err = fmt.Errorf("%w; connect as the role of that session, or as one that is a member of pg_signal_backend", err)
	case err == nil && !ended:
		err = ErrNoSession
	}
	if err != nil {
		return fmt.Errorf("end the session %d: %w", s.PID, err)
	}
	return nil
}
