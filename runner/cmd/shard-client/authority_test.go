package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a private certificate authority, such as a lab has.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // of the certificate, for --ca-file
}

// identity is a certificate of an authority and its key, as files and in memory.
type identity struct {
	tls.Certificate
	cert, key string // paths
}

var serial atomic.Int64

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	var der []byte
	der, a.key = a.sign(template, "authority")
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.file = cert, filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// sign makes a key and its certificate, which is self-signed while there is no authority yet.
func (a *authority) sign(template *x509.Certificate, name string) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(serial.Add(1)), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// issue makes a certificate that identifies a server or a client.
func (a *authority) issue(name string) identity {
	a.t.Helper()
	directory := a.t.TempDir()
	i := identity{cert: filepath.Join(directory, "cert.pem"), key: filepath.Join(directory, "key.pem")}
	template := &x509.Certificate{
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, key := a.sign(template, name)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, i.cert, "CERTIFICATE", der)
	writePEM(a.t, i.key, "PRIVATE KEY", pkcs8)
	if i.Certificate, err = tls.LoadX509KeyPair(i.cert, i.key); err != nil {
		a.t.Fatal(err)
	}
	return i
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	writeSecret(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// pool holds this authority only.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// secureMaster is an https master with a certificate of this authority.
func (a *authority) secureMaster(answer http.Handler, settings *tls.Config) *fakeMaster {
	a.t.Helper()
	m := &fakeMaster{answer: func(int, []byte) http.Handler { return answer }}
	m.Server = httptest.NewUnstartedServer(m)
	settings.Certificates = []tls.Certificate{a.issue("master.test").Certificate}
	m.TLS = settings
	m.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	m.StartTLS()
	a.t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// copyFile replaces a file by another.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeSecret(t, to, string(content))
}

// secretFile is a file that only its owner may read.
func secretFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	writeSecret(t, path, content)
	return path
}

// writeSecret replaces a file at once, as a rotation does.
func writeSecret(t testing.TB, path, content string) {
	t.Helper()
	err := os.WriteFile(path+".new", []byte(content), 0o600)
	if err = errors.Join(err, os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}
