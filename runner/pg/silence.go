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

// piece is how many bytes are written under one deadline. A large write on a slow network would
// otherwise look like a silent one.
const piece = 64 << 10

// maxSilence returns how long the database may be silent: the server's own limit on a statement,
// and a quarter more for the way. It is 0, for no limit, where the server has none, because the
// operator wants it so or because this is a migration.
func maxSilence(statementTimeout string) time.Duration {
	text := strings.ReplaceAll(strings.ReplaceAll(statementTimeout, " ", ""), "min", "m")
	if milliseconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		text = fmt.Sprintf("%dms", milliseconds)
	}
	bound, err := time.ParseDuration(text)
	if err != nil || bound <= 0 {
		return 0 // a value that the server refuses, or one in days
	}
	return bound + bound/4
}

// bounded dials connections that end when the other side is silent for too long. Keep-alive and
// TCP_USER_TIMEOUT notice only a host that is gone. A proxy, or the kernel before a server process
// that is stopped, confirms everything that it is sent and never answers: a beat hung there for
// ever, and no SIGTERM ended it.
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

// boundedConn gives each read and each write a deadline. Where the driver has set one, too, the
// earlier one counts.
type boundedConn struct {
	net.Conn
	silence time.Duration

	mu              sync.Mutex
	readBy, writeBy time.Time // the driver's deadlines; zero: none
	// silent is never taken back. After some failures the driver reads a second time, and reports
	// only what that read returns.
	silent bool
}

// silentError looks like a time-out to the driver. So the driver closes the connection and asks the
// server to cancel what still runs there, which frees the locks.
type silentError struct{ silence time.Duration }

// Timeout makes it a [net.Error]; for any other error the driver reports no more than "conn
// closed".
func (e *silentError) Timeout() bool { return true }

// Temporary is part of [net.Error] and has no meaning here.
func (e *silentError) Temporary() bool { return false }

func (e *silentError) Error() string {
	return fmt.Sprintf("the database was silent for %s, a quarter more than its statement_timeout; "+
		"is a proxy or the server stuck?", e.silence)
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

// arm sets the deadline of the next read or write. It holds the mutex meanwhile, because the driver
// cancels a statement by setting a deadline, which must not be overwritten.
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

// explain returns err, or a [*silentError] where err is the end of our deadline and not the
// driver's.
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
