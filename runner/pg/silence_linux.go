package pg

import (
	"context"
	"errors"
	"syscall"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, which the standard library does not name.
const tcpUserTimeout = 0x12

// boundUnanswered limits how long the kernel repeats what the other side does not confirm.
// Meanwhile it sends no keep-alive, so a host that dies while a statement is on its way would hold
// the beat for a quarter of an hour.
func boundUnanswered(_ context.Context, network, _ string, connection syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var refused error
	err := connection.Control(func(socket uintptr) {
		refused = syscall.SetsockoptInt(int(socket), syscall.IPPROTO_TCP, tcpUserTimeout, int(unanswered.Milliseconds()))
	})
	return errors.Join(err, refused)
}
