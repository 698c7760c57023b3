package deaths

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Mailer sends mails through a server, with STARTTLS where that is offered.
type Mailer struct {
	// Server is the HOST:PORT of a server that takes mail from this machine without a login.
	Server string
	// From and To are bare addresses.
	From string
	To   []string
	// Authorities may vouch for the server's certificate; nil: those of the system.
	Authorities *x509.CertPool
}

// Addresses returns the bare addresses of a list that has been checked.
func Addresses(list string) (bare []string) {
	parsed, _ := mail.ParseAddressList(list)
	for _, one := range parsed {
		bare = append(bare, one.Address)
	}
	return bare
}

// mailTimeout is how long a server may take for one mail.
const mailTimeout = 30 * time.Second

func (m *Mailer) send(ctx context.Context, subject, body string) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	client, err := m.connect(ctx)
	if err != nil {
		return fmt.Errorf("mail by %s: %w", m.Server, cause(ctx, err))
	}
	defer func() { _ = client.Close() }()
	if err := client.SendMail(m.From, m.To, bytes.NewReader(m.message(subject, body, time.Now()))); err != nil {
		return fmt.Errorf("mail by %s from %s to %s: %w", m.Server, m.From, strings.Join(m.To, ", "), cause(ctx, err))
	}
	_ = client.Quit() // the mail is the server's by now
	return nil
}

// cause says that the time was over, where a closed connection would be all that err tells.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("it took too long: %w", ctx.Err())
	}
	return err
}

// connect asks what the server offers and, if that is STARTTLS, begins anew with it: the library
// has it only from the beginning.
func (m *Mailer) connect(ctx context.Context) (*smtp.Client, error) {
	conn, err := m.dial(ctx)
	if err != nil {
		return nil, err
	}
	client := smtp.NewClient(conn)
	if err := client.Hello(hello()); err != nil {
		_ = client.Close()
		return nil, err
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return client, nil
	}
	_ = client.Close()
	if conn, err = m.dial(ctx); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return smtp.NewClientStartTLS(conn, m.security(host))
}

// security trusts any certificate of this machine: Debian's mail server offers STARTTLS with one
// that it made for itself, and nobody listens on the way.
func (m *Mailer) security(host string) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: m.Authorities, InsecureSkipVerify: isLoopback(host)}
}

func (m *Mailer) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() }) // the library waits for minutes
	}
	return conn, err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hello is the name of this machine.
func hello() string {
	if host, err := os.Hostname(); err == nil && host != "" {
		return host
	}
	return "localhost"
}

// message is a mail in plain text.
func (m *Mailer) message(subject, body string, now time.Time) []byte {
	var text bytes.Buffer
	for _, header := range [][2]string{
		{"From", m.From},
		{"To", strings.Join(m.To, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", strings.Join(strings.Fields(subject), " "))},
		{"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", fmt.Sprintf("<%d.%d@%s>", now.UnixNano(), os.Getpid(), hello())},
		{"Auto-Submitted", "auto-generated"}, // no answer of somebody on holiday
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&text, "%s: %s\r\n", header[0], header[1])
	}
	text.WriteString("\r\n")
	encoder := quotedprintable.NewWriter(&text)
	_, _ = encoder.Write([]byte(body)) // into memory
	_ = encoder.Close()
	return text.Bytes()
}
