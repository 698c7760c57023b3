//go:build mariadb

package move_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shardclient/runner/pgtest"
)

// authority signs certificates for servers.
type authority struct {
	t         testing.TB
	directory string
	own       *x509.Certificate
	key       *ecdsa.PrivateKey
	file      string // its own certificate
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, directory: t.TempDir()}
	a.own = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.file = a.sign("authority.pem", a.own, &a.key.PublicKey)
	return a
}

// sign writes a certificate to a file.
func (a *authority) sign(file string, what *x509.Certificate, key *ecdsa.PublicKey) string {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, what, a.own, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(file, "CERTIFICATE", der)
}

func (a *authority) write(file, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.directory, file)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// server returns the files of a certificate for localhost, valid until then, and of its key.
func (a *authority) server(until time.Time) (certificate, key string) {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	what := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return a.sign("server.pem", what, &own.PublicKey), a.write("server-key.pem", "PRIVATE KEY", der)
}

// listen lets the server be reached by TCP, and returns the port.
func (m *mariaDB) listen(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	join := func(from, to net.Conn) {
		_, _ = io.Copy(to, from) // until either of them ends
		_ = to.Close()
		_ = from.Close()
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
			all.Go(func() { join(client, server) })
			all.Go(func() { join(server, client) })
		}
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// MySQL is read over TLS with a certificate that is verified, and what is wrong with it is said. No
// password goes to a server that is another one, or that has no TLS.
func TestTLSToMySQL(t *testing.T) {
	t.Parallel()
	ours, another := newAuthority(t, "ours"), newAuthority(t, "another")
	certificate, key := ours.server(time.Now().Add(time.Hour))
	safe, err := startMariaDB("--ssl-cert="+certificate, "--ssl-key="+key, "--ssl-ca="+ours.file)
	if err != nil {
		t.Fatal(err)
	}
	defer safe.stop()
	old := safe.shard(t)
	old.run("testdata/broken.sql")
	port, plain := safe.listen(t), private.listen(t)
	database := pgtest.Database(t)
	into := func(user, host, port, parameters string) ended {
		t.Helper()
		return client(t, "import", "--dry-run", "--database-url", database, "--from", "mysql://"+user+":CANARY@"+host+":"+port+"/"+user+parameters)
	}
	into(old.name, "localhost", port, "?tls-ca="+ours.file).want(t, 0)
	into(old.name, "localhost", port, "?tls-ca="+another.file).want(t, 1, "unknown authority", "hint: give the file of the authority that vouches for the MySQL server: ?tls-ca=FILE")
	into(old.name, "localhost", port, "?tls=true").want(t, 1, "unknown authority", "hint: give the file of the authority")
	into(old.name, "127.0.0.1", port, "?tls-ca="+ours.file).want(t, 1, "hint: write the host in the URL of MySQL as the server's certificate names it")
	into(old.name, "127.0.0.1", port, "?tls=skip-verify").want(t, 0)
	into(old.name, "127.0.0.1", port, "?tls=preferred").want(t, 0)
	into(old.name, "localhost", port, "?tls=false").want(t, 0)

	// A user who must come by TLS, and a server that takes nobody without it.
	old.do("ALTER USER " + old.name + "@localhost REQUIRE SSL")
	into(old.name, "localhost", port, "").want(t, 1, "Access denied", "one that must come by TLS wants ?tls=true or ?tls-ca=FILE")
	into(old.name, "localhost", port, "?tls-ca="+ours.file).want(t, 0)
	old.do("ALTER USER " + old.name + "@localhost REQUIRE X509")
	into(old.name, "localhost", port, "?tls-ca="+ours.file).want(t, 1, "Access denied")

	// A server without TLS.
	bare := newOldShard(t)
	bare.run("testdata/broken.sql")
	into(bare.name, "localhost", plain, "?tls-ca="+ours.file).want(t, 1, "TLS requested but server does not support TLS", "hint: switch TLS on at the MySQL server, or write ?tls=false")
	into(bare.name, "localhost", plain, "?tls=true").want(t, 1, "hint: switch TLS on")
	into(bare.name, "localhost", plain, "?tls=preferred").want(t, 0)
	into(bare.name, "localhost", plain, "").want(t, 0)
}

// A certificate that is over is another matter than one of a stranger.
func TestTLSToMySQLIsOver(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	certificate, key := ours.server(time.Now().Add(-time.Hour))
	old, err := startMariaDB("--ssl-cert="+certificate, "--ssl-key="+key)
	if err != nil {
		t.Fatal(err)
	}
	defer old.stop()
	client(t, "import", "--dry-run", "--database-url", pgtest.Database(t), "--from", "mysql://root@localhost:"+old.listen(t)+"/mysql?tls-ca="+ours.file).
		want(t, 1, "expired", "hint: renew the certificate of the MySQL server, or set the clock of this machine")
}
