//go:build mariadb

package move_test

import (
	"net"
	"sync"
	"testing"

	"shardclient/runner/faults"
)

// wire stands between a program and MySQL, and can be cut at each request.
type wire struct {
	port string

	mu    sync.Mutex
	asked int // requests so far
	at    int // which one is struck; 0: none
	side  faults.Side
	fault func()
}

// strike lets the n-th request from now meet a fault, before it is sent or before it is answered.
func (w *wire) strike(n int, side faults.Side, fault func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.at, w.side, w.fault = 0, n, side, fault
}

// struck counts a request, or looks at its answer, and reports whether the wire is cut here.
func (w *wire) struck(side faults.Side) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if side == faults.Before {
		w.asked++
	}
	if w.at == 0 || w.asked != w.at || side != w.side {
		return false
	}
	w.at = 0
	w.fault()
	return true
}

// wired returns a wire to a MariaDB. No request of the driver is larger than a buffer of it, and
// none is sent before the one before is answered.
func (m *mariaDB) wired(t testing.TB) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	_, w.port, _ = net.SplitHostPort(listener.Addr().String())
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	relay := func(side faults.Side, from, to net.Conn) {
		defer func() { _, _ = to.Close(), from.Close() }()
		part := make([]byte, 1<<20)
		for {
			n, err := from.Read(part)
			if err != nil || w.struck(side) {
				return
			}
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
		}
	}
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			server, err := net.Dial("unix", m.socket)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() { relay(faults.Before, client, server) })
			all.Go(func() { relay(faults.After, server, client) })
		}
	})
	return w
}
