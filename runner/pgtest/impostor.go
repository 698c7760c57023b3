package pgtest

import (
	"net"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Impostor answers each connection as a PostgreSQL of this version does until it is ready, and then
// closes it. It returns its URL.
func Impostor(t T, version string) string {
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
