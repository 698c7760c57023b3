package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLS returns the settings for calls to an https master, in TLS 1.2 or newer. An authority in
// CAFile must vouch for the master's certificate, or one of the system's where CAFile is not given.
// A server that asks for a certificate is shown ClientCert, which is read again when its files have
// changed; log gets a warning when that fails.
//
// It reads the files. The error is a [*SettingError].
func (c *Config) TLS(log *slog.Logger) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		authorities, err := readAuthorities(c.CAFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = authorities
	}
	if c.ClientCert != "" {
		client := &clientCertificate{certFile: c.ClientCert, keyFile: c.ClientKey, log: log}
		if err := client.read(); err != nil {
			return nil, err
		}
		settings.GetClientCertificate = client.get
	}
	return settings, nil
}

// checkTLS refuses half a client certificate, and files that would have no effect. It does not look
// into the files.
func (c *Config) checkTLS() error {
	switch {
	case c.ClientCert != "" && c.ClientKey == "":
		return missing("client-key", "there is a --client-cert without its key", "the PEM file of the key")
	case c.ClientKey != "" && c.ClientCert == "":
		return missing("client-cert", "there is a --client-key without its certificate",
			"the PEM file of the certificate")
	}
	master, err := c.MasterURL()
	if err != nil || master.Scheme == "https" {
		return nil // other checks report a master that is missing or wrong
	}
	// An operator who gives these files believes that the connection is encrypted.
	for _, file := range []struct{ flag, path string }{{"ca-file", c.CAFile}, {"client-cert", c.ClientCert}} {
		if file.path != "" {
			return &SettingError{
				Flag: file.flag, Value: file.path,
				Cause: "the master is spoken to in plain http, where certificates have no effect",
				Hint:  "write the master as https://" + master.Host + ", or leave this out",
			}
		}
	}
	return nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := readFile("ca-file", path)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, &SettingError{
			Flag: "ca-file", Value: path, Cause: "it holds no certificate",
			Hint: "give a PEM file (-----BEGIN CERTIFICATE-----) with every authority that may vouch for the master",
		}
	}
	return authorities, nil
}

// clientCertificate is the certificate that the master is shown. A client runs for months, and a
// certificate may live for a day, so it is read again, without a restart, when one of its files has
// changed.
type clientCertificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu       sync.Mutex
	pair     *tls.Certificate
	modified [2]time.Time // of the files that pair was read from
}

// get implements tls.Config.GetClientCertificate. Half a rotation, a new certificate beside the old
// key, must not stop the beats: the last pair that was read serves until the next connection tries
// again.
func (c *clientCertificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	modified, err := c.modifications()
	if err == nil && modified != c.modified {
		err = c.read()
	}
	if err != nil {
		c.log.Warn("client certificate not read again; the one before it serves on", "error", err)
	}
	return c.pair, nil
}

// read notes the times of the files before it reads them: a file that is written meanwhile is read
// again next time.
func (c *clientCertificate) read() error {
	modified, err := c.modifications()
	if err != nil {
		return err
	}
	cert, err := readFile("client-cert", c.certFile)
	if err != nil {
		return err
	}
	key, err := readFile("client-key", c.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return &SettingError{
			Flag: "client-cert", Value: c.certFile,
			Cause: fmt.Sprintf("it cannot be used with --client-key %s: %v", quoted(c.keyFile), err),
			Hint:  "give a certificate and the key that belongs to it, both in PEM, the key without a passphrase",
		}
	}
	c.pair, c.modified = &pair, modified
	return nil
}

func (c *clientCertificate) modifications() (modified [2]time.Time, err error) {
	for i, file := range []struct{ flag, path string }{{"client-cert", c.certFile}, {"client-key", c.keyFile}} {
		info, err := os.Stat(file.path)
		if err != nil {
			return modified, unreadable(file.flag, file.path, err)
		}
		modified[i] = info.ModTime()
	}
	return modified, nil
}
