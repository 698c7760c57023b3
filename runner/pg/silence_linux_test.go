package pg

import (
	"net"
	"syscall"
	"testing"
)

// When a database host dies while a statement is on its way, keep-alive does not ask as long as
// something is unconfirmed, and the kernel's own limit is 15 minutes.
func TestUnansweredStatementsAreBounded(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var bound int
	var failure error
	if err := raw.Control(func(socket uintptr) {
		bound, failure = syscall.GetsockoptInt(int(socket), syscall.IPPROTO_TCP, tcpUserTimeout)
	}); err != nil || failure != nil {
		t.Fatal(err, failure)
	}
	if bound != 60_000 {
		t.Errorf("TCP_USER_TIMEOUT is %d ms, want a minute", bound)
	}
}
