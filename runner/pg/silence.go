package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// piece is what one deadline is for when much is written, so that a slow network is
// no silent one.
const piece = 64 << 10

// silenceOf is how long an answer may take that the server itself bounds: a quarter
// more, for the way. 0: the server does not bound it, by the operator's own wish or
// because this is a migration; nor do we.
func silenceOf(statementTimeout string) time.Duration {
	text := strings.ReplaceAll(strings.ReplaceAll(statementTimeout, " ", ""), "min", "m")
	if milliseconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		text = fmt.Sprintf("%dms", milliseconds)
	}
	bound, err := time.ParseDuration(text)
	if err != nil || bound <= 0 {
		return 0 // a value that the server refuses, or days
	}
	return bound + bound/4
}

// bounded dials connections that end when the other side is silent for too long.
// Keep-alive and TCP_USER_TIMEOUT notice a host that is gone; behind a proxy, or when
// the server process is stopped, the other side confirms all that is sent to it and
// never answers: a beat hung there for ever, and no SIGTERM ended it.
func bounded(dial pgconn.DialFunc, silence time.Duration) pgconn.DialFunc {
	if silence <= 0 {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: connection, silence: silence}, nil
	}
}

// boundedConn gives each read and each write its own deadline, and keeps those that
// the driver sets: the earlier one counts.
type boundedConn struct {
	net.Conn
	silence time.Duration

	mu              sync.Mutex
	readBy, writeBy time.Time // the driver's; zero: none
	// silent stays: the driver reads a second time after some failures, and what it
	// then gets is what it tells.
	silent bool
}

// silentError is a time-out to the driver, at which it closes the connection and asks
// the server to cancel what still runs there, which sets free the locks.
type silentError struct{ silence time.Duration }

// Timeout makes it a [net.Error]; of any other the driver tells "conn closed" only.
func (e *silentError) Timeout() bool { return true }

// Temporary is needed for a [net.Error], and of no meaning.
func (e *silentError) Temporary() bool { return false }

func (e *silentError) Error() string {
	return fmt.Sprintf("the database was silent for %s, a quarter more than its statement_timeout; is a proxy or the server stuck?", e.silence)
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if err := c.arm(&c.readBy, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return n, c.explain(err, &c.readBy)
}

func (c *boundedConn) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := c.arm(&c.writeBy, c.Conn.SetWriteDeadline); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(p[written:min(len(p), written+piece)])
		written += n
		if err != nil || written == len(p) {
			return written, c.explain(err, &c.writeBy)
		}
	}
}

// arm holds the lock while it sets the deadline, so that none of the driver's, which
// mean "cancelled", is overwritten.
func (c *boundedConn) arm(by *time.Time, set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent {
		return &silentError{c.silence}
	}
	deadline := time.Now().Add(c.silence)
	if !by.IsZero() && by.Before(deadline) {
		deadline = *by
	}
	return set(deadline)
}

func (c *boundedConn) explain(err error, by *time.Time) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !by.IsZero() && !by.After(time.Now()) {
		return err
	}
	c.silent = true
	return &silentError{c.silence}
}

func (c *boundedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *boundedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	return c.Conn.SetReadDeadline(t)
}

func (c *boundedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	return c.Conn.SetWriteDeadline(t)
}
