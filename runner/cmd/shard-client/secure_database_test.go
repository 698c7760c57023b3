package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
	"shardclient/runner/wait"
	"shardclient/schema"
)

// secureServer is a server that lets nobody in without TLS: a role with a password, and a role
// with a certificate of the authority. It returns host and port.
func secureServer(t *testing.T, of *authority) string {
	t.Helper()
	server, err := postgres.Start(t.Context(), postgres.Options{TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := schema.Up(t.Context(), server.SocketURL("postgres")); err != nil {
		t.Fatal(err)
	}
	own := of.issue("db.test")
	give(t, server, own.cert, "server.crt")
	give(t, server, own.key, "server.key")
	give(t, server, of.file, "authority.crt")
	give(t, server, secretFile(t, "local all all trust\nhostssl all certified all cert\nhostssl all all all scram-sha-256\n"), "pg_hba.conf")
	pool := open(t, server.SocketURL("postgres"))
	for _, statement := range []string{
		"CREATE ROLE certified LOGIN SUPERUSER", "CREATE ROLE secret LOGIN SUPERUSER PASSWORD 'unguessable'",
		"ALTER SYSTEM SET ssl_ca_file = 'authority.crt'", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()",
	} {
		pgtest.Exec(t, pool, statement)
	}
	wait.Until(t, "for the server to offer TLS", func() bool {
		conn, err := pgx.Connect(t.Context(), "postgres://secret:unguessable@"+server.Address()+"/postgres?sslmode=require")
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err == nil
	})
	return server.Address()
}

// give copies a file into the server's data directory, and makes it the server's.
func give(t *testing.T, server *postgres.Server, from, name string) {
	t.Helper()
	path := filepath.Join(server.DataDir(), name)
	copyFile(t, from, path)
	info, err := os.Stat(server.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}

// A server that wants TLS, passwords by scram and certificates is beaten on; what is missing is
// said, with what to give.
func TestDatabaseWithTLSAndCertificates(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t), newAuthority(t)
	address := secureServer(t, ours)
	m := master(t, answers(nothing))
	client, stranger, foreign := ours.issue("certified"), ours.issue("somebody"), other.issue("certified")
	named := strings.Replace(address, "127.0.0.1", "localhost", 1)
	by := func(i identity) string { return "&sslcert=" + i.cert + "&sslkey=" + i.key }
	full := "/postgres?sslmode=verify-full&sslrootcert="
	for name, tt := range map[string]struct{ url, says string }{
		"password":              {"secret:unguessable@" + address + full + ours.file, ""},
		"certificate":           {"certified@" + address + full + ours.file + by(client), ""},
		"no TLS":                {"secret:unguessable@" + address + "/postgres?sslmode=disable", "let pg_hba.conf of the server accept"},
		"wrong password":        {"secret:unguessed@" + address + full + ours.file, "correct the password"},
		"another authority":     {"secret:unguessable@" + address + full + other.file, "give sslrootcert"},
		"another name":          {"secret:unguessable@" + named + full + ours.file, "as the server's certificate names it"},
		"no certificate":        {"certified@" + address + full + ours.file, "sslcert"},
		"another's certificate": {"certified@" + address + full + ours.file + by(stranger), "sslcert"},
		"a foreign certificate": {"certified@" + address + full + ours.file + by(foreign), "sslcert"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := invoke(once(m, "postgres://"+tt.url)...)
			if tt.says == "" {
				e.want(t, exitOK)
				return
			}
			e.want(t, exitFailed).says(t, "hint=", tt.says)
		})
	}
}
