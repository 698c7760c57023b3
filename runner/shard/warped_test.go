package shard_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// message is one of PostgreSQL's, without its length.
type message struct {
	kind byte
	body []byte
}

func (m message) bytes() []byte {
	length := binary.BigEndian.AppendUint32([]byte{m.kind}, uint32(len(m.body)+4))
	return append(length, m.body...)
}

// warped is between a client and the server, as a proxy or a pooler is, and changes messages of the
// server.
type warped struct {
	net.Listener
	network, address string
	change           atomic.Pointer[func(message) []byte] // nil, or a nil result: nothing is changed

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

func newWarped(t *testing.T, databaseURL string) (*warped, *pgxpool.Pool) {
	t.Helper()
	server, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &warped{Listener: listener}
	w.network, w.address = pgconn.NetworkAddress(server.Host, server.Port)
	w.done.Go(w.accept)
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	config.ConnConfig.Host, config.ConnConfig.Port = address.IP.String(), uint16(address.Port)
	config.ConnConfig.TLSConfig, config.ConnConfig.Fallbacks = nil, nil
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		_ = w.Close()
		w.cut()
		w.done.Wait()
	})
	return w, pool
}

func (w *warped) accept() {
	for {
		client, err := w.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(w.network, w.address)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		w.done.Go(func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		})
		w.done.Go(func() {
			w.relay(client, server)
			_ = client.Close()
			_ = server.Close()
		})
	}
}

// cut ends all connections.
func (w *warped) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// relay passes the server's messages on. After one that was changed it passes nothing more, so that
// a message with a wrong length is followed by an end and not by silence. An error without its code
// needs no such end.
func (w *warped) relay(client io.Writer, server io.Reader) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		m := message{head[0], make([]byte, binary.BigEndian.Uint32(head[1:])-4)}
		if _, err := io.ReadFull(server, m.body); err != nil {
			return
		}
		out, change := m.bytes(), w.change.Load()
		var changed []byte
		if change != nil {
			changed = (*change)(m)
		}
		if changed != nil {
			out = changed
		}
		if _, err := client.Write(out); err != nil || changed != nil && m.kind != 'E' {
			return
		}
	}
}
