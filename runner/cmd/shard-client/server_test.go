package main

import (
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// server answers each connection as a PostgreSQL of this version does until it is ready, and then
// closes it. It returns its URL.
func server(t *testing.T, version string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.AuthenticationOk{})
				backend.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
				backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("0000")})
				backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	return "postgres://user@" + listener.Addr().String() + "/database?sslmode=disable"
}

// A server older than 15 is refused by every command, with both versions, and not waited for.
func TestOldServer(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for _, version := range []string{"14.19 (Debian 14.19-1.pgdg12+1)", "13.22", "9.6.24", "14beta1"} {
		old := server(t, version)
		number, _, _ := strings.Cut(version, " ")
		for _, args := range [][]string{
			{"migrate", "up", "--database-url", old}, {"migrate", "status", "--database-url", old},
			{"quarantine", "list", "--database-url", old}, once(m, old), append([]string{"run"}, once(m, old)[1:]...),
		} {
			invoke(args...).want(t, exitSchema).silent(t).says(t, "PostgreSQL "+number, "15 or newer")
		}
	}
	// Others are not old: what they close is an outage.
	for _, version := range []string{"15.0", "18.1", "19devel", "unknown"} {
		invoke("quarantine", "list", "--database-url", server(t, version)).want(t, exitFailed)
	}
}
