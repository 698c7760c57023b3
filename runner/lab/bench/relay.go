package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// relay stands between a client and the server and counts what the client asks. It changes nothing
// and needs no PostgreSQL of a certain kind: it knows the frames of the protocol, and the types of
// four messages.
type relay struct {
	listener net.Listener
	socket   string // of the server
	open     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn

	trips        atomic.Int64 // times that the client waited for an answer
	statements   atomic.Int64
	transactions atomic.Int64 // that ended, a statement of its own included
}

// The messages that are told apart.
const (
	execute       = 'E'
	query         = 'Q'
	readyForQuery = 'Z'
	idle          = 'I' // the state after a transaction, in readyForQuery
)

// asked are the counters at one moment.
type asked struct{ trips, statements, transactions int64 }

func newRelay(socket string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the counting relay: %w", err)
	}
	r := &relay{listener: listener, socket: socket}
	r.open.Go(r.accept)
	return r, nil
}

// url leads to a database through the relay.
func (r *relay) url(user, database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, r.listener.Addr(), database)
}

func (r *relay) counts() asked {
	return asked{r.trips.Load(), r.statements.Load(), r.transactions.Load()}
}

// close ends all connections.
func (r *relay) close() error {
	err := r.listener.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close() // the other side says so itself
	}
	r.mu.Unlock()
	r.open.Wait()
	return err
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("unix", r.socket)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, client, server)
		r.mu.Unlock()
		c := &relayed{relay: r}
		r.open.Go(func() { c.pass(server, client, c.fromClient, true) })
		r.open.Go(func() { c.pass(client, server, c.fromServer, false) })
	}
}

// relayed is one connection.
type relayed struct {
	*relay
	asking   atomic.Bool // the client spoke last
	executed atomic.Bool // a statement since the last transaction ended
}

// pass forwards message by message, and flushes when no more has arrived.
func (c *relayed) pass(to, from net.Conn, see func(kind byte, body []byte), startup bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 64<<10)
	for {
		head := make([]byte, 5)
		if startup { // the first message of a client has no type
			head = head[1:]
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		kind := head[0]
		if startup {
			kind = 0
		}
		startup = false
		see(kind, body)
		_, err := out.Write(append(head, body...))
		if in.Buffered() == 0 {
			err = errors.Join(err, out.Flush())
		}
		if err != nil {
			return
		}
	}
}

func (c *relayed) fromClient(kind byte, _ []byte) {
	if !c.asking.Swap(true) {
		c.trips.Add(1)
	}
	if kind == execute || kind == query {
		c.statements.Add(1)
		c.executed.Store(true)
	}
}

func (c *relayed) fromServer(kind byte, body []byte) {
	c.asking.Store(false)
	if kind == readyForQuery && body[0] == idle && c.executed.Swap(false) {
		c.transactions.Add(1)
	}
}

// socketOf returns the socket in a server's private directory.
func socketOf(directory string) string { return strings.TrimSuffix(directory, "/") + "/.s.PGSQL.5432" }
