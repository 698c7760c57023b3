package hint

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
)

// The remedy is that of the cause, where one is known, and never one of the other end of a beat.
func TestTheRemedyIsThatOfTheCause(t *testing.T) {
	t.Parallel()
	state := func(code, text string) error {
		return fmt.Errorf("take the lock: %w", &pgconn.PgError{Code: code, Message: text})
	}
	master := func(cause error) error { return &afe.Error{Class: afe.Transport, Err: cause} }
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	_, notYetValid := (&x509.Certificate{Raw: []byte{0}, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}).
		Verify(x509.VerifyOptions{Roots: x509.NewCertPool()})
	for name, tt := range map[string]struct {
		class string
		err   error
		want  string
	}{
		"starting up":         {beat.FailureDatabase, state("57P03", ""), "the server starts, stops or recovers"},
		"no entry":            {"", state("28000", "no pg_hba.conf entry for host"), "let pg_hba.conf of the server accept"},
		"no login":            {"", state("28000", "role is not permitted to log in"), "let this role log in"},
		"read only":           {beat.FailureDatabase, state("25006", ""), "name the server that takes writes"},
		"disk full":           {beat.FailureDatabase, state("53100", ""), "make room on the disk of the database server"},
		"too slow":            {beat.FailureDatabase, state("57014", ""), "look why statements are slow"},
		"made by hand":        {beat.FailureDatabase, state("42P07", ""), "rename or drop what somebody has made"},
		"function by hand":    {beat.FailureDatabase, state("42723", ""), "rename or drop what somebody has made"},
		"twice":               {beat.FailureDatabase, state("23505", ""), "find the rows that share the values"},
		"expired":             {"transport", master(x509.CertificateInvalidError{Reason: x509.Expired}), "renew the certificate of the master"},
		"not yet":             {"transport", master(notYetValid), "set the clock of this machine, or wait: the certificate of the master"},
		"wrong name":          {"transport", master(x509.HostnameError{Certificate: &x509.Certificate{}}), "write the host of --master as"},
		"unknown authority":   {beat.FailureDatabase, x509.UnknownAuthorityError{}, "give sslrootcert in --database-url"},
		"proxy":               {"transport", master(&net.OpError{Op: "proxyconnect", Err: refused}), "start the proxy"},
		"master down":         {"transport", master(refused), "start the master's web server"},
		"database down":       {beat.FailureDatabase, refused, "start PostgreSQL"},
		"master far":          {"transport", master(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), "routes and firewalls between here and the master"},
		"unknown cause":       {beat.FailureDatabase, errors.New("conn closed"), Of(beat.FailureDatabase)},
		"refuses all":         {beat.FailureRefusesAll, &afe.Error{Class: afe.RPC, RPC: &afe.RPCError{Name: "TypeError"}}, Of(beat.FailureRefusesAll)},
		"none outside a beat": {"", errors.New("print the result: no space left on device"), ""},
		"none without error":  {"locked", nil, Of("locked")},
		"said already":        {"", fmt.Errorf("x: %s: %w", "give the role its rights: shard-client migrate grant, as the owner; a trigger of the site wants SECURITY DEFINER, row-level security BYPASSRLS", state("42501", "")), ""},
	} {
		if got := For(tt.class, tt.err); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// A socket of this machine that takes a connection and says nothing has no firewall in between.
func TestASocketHasNoFirewall(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(directory, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = pgconn.Connect(ctx, "host="+directory+" user=u dbname=d")
	if got := For("", err); !strings.Contains(got, "look what holds the PostgreSQL of this machine") {
		t.Errorf("%v: %s", err, got)
	}
}

// Once only class and text of a failure are left, as in the history, the remedy is the same.
func TestTheRemedyIsKnownByTheText(t *testing.T) {
	t.Parallel()
	state := func(code, text string) error {
		return fmt.Errorf("take the lock: %w", &pgconn.PgError{Severity: "ERROR", Code: code, Message: text})
	}
	master := func(class afe.Class, cause error) error { return &afe.Error{Class: class, Err: cause} }
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	raised := func(name, message string) error {
		return &afe.Error{Class: afe.RPC, RPC: &afe.RPCError{Name: name, Message: message}}
	}
	for _, tt := range []struct {
		class string
		err   error
	}{
		{beat.FailureDatabase, state("28P01", "password authentication failed")},
		{beat.FailureDatabase, state("28000", "no pg_hba.conf entry for host")},
		{beat.FailureDatabase, state("42501", "permission denied for table afe_jobs")},
		{beat.FailureDatabase, state("25006", "cannot execute")},
		{beat.FailureDatabase, fmt.Errorf("pack: %w", refused)},
		{beat.FailureDatabase, errors.New("conn closed")},
		{beat.FailureLocked, state("55P03", "canceling statement due to lock timeout")},
		{"transport", master(afe.Transport, refused)},
		{"transport", master(afe.Transport, &net.DNSError{Err: "no such host", Name: "m", IsNotFound: true})},
		{"transport", master(afe.Transport, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused})},
		{"transport", master(afe.Transport, io.EOF)},
		{"http_status", &afe.Error{Class: afe.HTTPStatus, Status: 403}},
		{"http_status", &afe.Error{Class: afe.HTTPStatus, Status: 302}},
		{"http_status", &afe.Error{Class: afe.HTTPStatus, Status: 418}},
		{"undecodable", &afe.Error{Class: afe.Undecodable, Body: "<html>x", Err: errors.New("no JSON")}},
		{"rpc_error", raised("DoesNotExist", "Shard matching query does not exist.")},
		{"rpc_error", raised("DoesNotExist", "Host matching query does not exist.")},
		{"rpc_error", raised("AclAccessViolation", "")},
		{"rpc_error", raised("Surprise", "connection refused")},
		{"refuses_all", raised("TypeError", "")},
		{"internal", errors.New("panic")},
	} {
		if got, want := Recorded(tt.class, tt.err.Error()), For(tt.class, tt.err); got != want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", tt.class, tt.err, got, want)
		}
	}
	if got := Recorded(beat.FailureDatabase, "x: "+Of(beat.FailureDatabase)); got != "" {
		t.Errorf("said twice: %q", got)
	}
}
