package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed one and its key, in PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// file writes a file and returns its path. Each write gets a time of its own: two quick writes
// could have the same one, and a rotation does not write so quickly.
func file(t *testing.T, path, content string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	writes++
	at := time.Now().Add(time.Duration(writes) * time.Second)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	return path
}

var writes int

func TestTLSRefuses(t *testing.T) {
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	certFile, keyFile := file(t, "cert", cert), file(t, "key", key)
	locked := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("encrypted")}))
	for name, tt := range map[string]struct {
		c          Config
		flag, want string
	}{
		"no CA file":             {Config{CAFile: "/no/such"}, "ca-file", "no such file"},
		"CA file is a directory": {Config{CAFile: "/"}, "ca-file", "is a directory"},
		"CA file without end":    {Config{CAFile: "/dev/zero"}, "ca-file", "larger than"},
		"CA file is a key":       {Config{CAFile: keyFile}, "ca-file", "holds no certificate"},
		"no certificate":         {Config{ClientCert: "/no/such", ClientKey: keyFile}, "client-cert", "no such file"},
		"no key":                 {Config{ClientCert: certFile, ClientKey: "/no/such"}, "client-key", "no such file"},
		"certificate is none":    {Config{ClientCert: file(t, "x", "x"), ClientKey: keyFile}, "client-cert", "find any PEM data"},
		"key of another":         {Config{ClientCert: certFile, ClientKey: file(t, "other", otherKey)}, "client-cert", "does not match"},
		"key with a passphrase":  {Config{ClientCert: certFile, ClientKey: file(t, "locked", locked)}, "client-cert", "parse private key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.c.TLS(slog.New(slog.DiscardHandler))
			setting, ok := errors.AsType[*SettingError](err)
			if !ok || setting.Flag != tt.flag || setting.Hint == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about --%s that says %q and what to do", err, tt.flag, tt.want)
			}
		})
	}
}

func TestCheckTLS(t *testing.T) {
	for args, want := range map[string]string{
		"--client-cert=c --client-key=k --ca-file=a --master=https://m": "",
		"--client-cert=c --client-key=k --ca-file=a":                    "",
		"--client-cert=c": "set --client-key or SHARD_CLIENT_CLIENT_KEY",
		"--client-key=k":  "set --client-cert or SHARD_CLIENT_CLIENT_CERT",
		"--ca-file=a --master=m:8080": `--ca-file "a": the master is spoken to in plain http, ` +
			`where certificates have no effect: write the master as https://m:8080`,
		"--client-cert=c --client-key=k --master=http://m/prefix": `--client-cert "c": the master is spoken to in plain http`,
	} {
		err := mustParse(t, nil, append([]string{"once"}, strings.Fields(args)...)...).ValidateSettings()
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", args, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}

// A rotation replaces two files, one after the other. Half a rotation changes nothing, a whole one
// is noticed, and the files are not read while they do not change.
func TestClientCertificateIsReadAgain(t *testing.T) {
	cert, key := certificate(t)
	newCert, newKey := certificate(t)
	c := Config{ClientCert: file(t, "cert", cert), ClientKey: file(t, "key", key)}
	var log bytes.Buffer
	settings, err := c.TLS(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name        string
		do          func()
		want, warns string
	}{
		{"at the start", func() {}, cert, ""},
		{"certificate replaced", func() { file(t, c.ClientCert, newCert) }, cert, "does not match"},
		{"and nothing else", func() {}, cert, "does not match"},
		{"key replaced", func() { file(t, c.ClientKey, newKey) }, newCert, ""},
		{"nothing changed", func() {}, newCert, ""},
		{"key emptied", func() { file(t, c.ClientKey, "") }, newCert, "PEM"},
		{"key removed", func() { _ = os.Remove(c.ClientKey) }, newCert, "no such file"},
		{"the old ones again", func() { file(t, c.ClientCert, cert); file(t, c.ClientKey, key) }, cert, ""},
	} {
		step.do()
		log.Reset()
		pair, err := settings.GetClientCertificate(nil)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})); got != step.want {
			t.Errorf("%s: another certificate is shown than should be", step.name)
		}
		if said := log.String(); (step.warns == "") != (said == "") || !strings.Contains(said, step.warns) {
			t.Errorf("%s: logged %q, want %q", step.name, said, step.warns)
		}
	}
}
