package main

import (
	"errors"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// postOffice is a real SMTP server, which keeps what it gets as text.
type postOffice struct {
	address string
	mu      sync.Mutex
	mails   []string
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{address: listener.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return counter{p}, nil }))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return p
}

func (p *postOffice) received() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mails
}

// counter is where somebody hands in a mail.
type counter struct{ *postOffice }

func (counter) Mail(string, *smtp.MailOptions) error { return nil }
func (counter) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (counter) Reset()                               {}
func (counter) Logout() error                        { return nil }

func (c counter) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(message.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails = append(c.mails, message.Header.Get("Subject")+"\n"+string(body))
	return err
}

// mailedAsInstalled returns the settings for mails in docs/install.md, with another mail server.
func mailedAsInstalled(t *testing.T, post *postOffice) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	settings := regexp.MustCompile(`(?m)^    (SHARD_CLIENT_(?:ALERT|SMTP)\w+)='(.*)'$`).FindAllStringSubmatch(string(page), -1)
	if len(settings) != 2 || settings[1][2] != "mail.example:25" {
		t.Fatalf("settings for mails: %q", settings)
	}
	return []string{settings[0][1] + "=" + settings[0][2], settings[1][1] + "=" + post.address}
}

// However a real run ends, unless it was told to: the next one counts it, and somebody gets a mail.
func TestDeathsOfARun(t *testing.T) {
	t.Parallel()
	databaseURL, pool := database(t)
	m, post := master(t, answers(nothing)), newPostOffice(t)
	more, mails := []string{"--listen=127.0.0.1:0", "--state-dir", t.TempDir()}, mailedAsInstalled(t, post)
	dies := func(with syscall.Signal) {
		p := startRunIn(t, mails, m, databaseURL, more...)
		p.logs("msg=heartbeat ")
		p.signal(with)
		if e := p.end(); e.code != -1 { // by a signal: exit 2 stands for settings that are wrong
			t.Errorf("%v ended it with exit code %d", with, e.code)
		}
	}
	dies(syscall.SIGKILL)
	dies(syscall.SIGSEGV)
	p := startRunIn(t, mails, m, databaseURL, more...)
	p.logs(`the shard-client before this one died" cause=fatal`)
	s := see(t, &p.stderr)
	checkMetrics(t, "after two deaths", s.metrics(), map[string]float64{
		`deaths_total{cause="killed"}`: 1, `deaths_total{cause="fatal"}`: 1, `deaths_total{cause="held"}`: 0,
	})
	p.logs("msg=heartbeat ")
	for range 2 {
		startIn(t, mails, runProcessArgs(m, databaseURL, more)...).end().want(t, exitHeld)
	}
	checkMetrics(t, "after two that were refused", s.metrics(), map[string]float64{`deaths_total{cause="held"}`: 2})
	p.stop()
	pgtest.Exec(t, pool, "DELETE FROM goose_db_version WHERE version_id > 1")
	startIn(t, mails, runProcessArgs(m, databaseURL, more)...).end().want(t, exitSchema)
	wait.Until(t, "for the mails", func() bool { return len(post.received()) >= 4 })
	got := strings.Join(post.received(), "\n")
	for _, subject := range []string{"ended without a word", "died of a fatal error", "another one holds the lock", "the schema is not its own"} {
		if n := strings.Count(got, ourShard+": shard-client "); n != 4 || !strings.Contains(got, subject) {
			t.Errorf("%d mails, none about %q, or more than one: %s", n, subject, got)
		}
	}
}

// A panic of a beat does not end the process, and is told all the same, without secrets.
func TestFaultsAreMailed(t *testing.T) {
	t.Parallel()
	post := newPostOffice(t)
	p := &program{stdout: io.Discard, stderr: &output{}}
	args := append(beatArgs("http://master.test"), "--database-url=postgres://u:CANARY@127.0.0.1:1/x", "--state-dir", t.TempDir(),
		"--alert-email-to=lab@example.com", "--smtp-addr", post.address)
	if line, _ := p.parse(append([]string{"run"}, args...)); line == nil {
		t.Fatal(p.stderr)
	}
	if err := p.openLog("run"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.lines.Close() }()
	register, err := p.openDeaths()
	if err != nil {
		t.Fatal(err)
	}
	defer register.Close()
	p.deaths.Store(register)
	report := &beat.Report{}
	report.Fail(errors.New("an outage"), string(afe.Transport), "an outage")
	p.tellFault(report)
	report.Fail(&guard.Error{Err: errors.New("panic: CANARY"), Stack: "shard.(*turn).run shard/beat.go:1 CANARY"}, string(afe.Internal), "a panic")
	p.tellFault(report)
	wait.Until(t, "for a mail", func() bool { return len(post.received()) == 1 })
	got := post.received()[0]
	if !strings.Contains(got, "a beat of shard-client ended with a panic") || !strings.Contains(got, "shard/beat.go:1 xxxxx") || strings.Contains(got, "CANARY") {
		t.Error(got)
	}
	if n := p.countDeaths("panic"); n != 0 {
		t.Errorf("%d deaths", n)
	}
}

// A mail cannot be promised without all that it takes; other commands do not care.
func TestMailsThatCannotBe(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	m := master(t, answers(nothing))
	databaseURL, _ := database(t)
	args := runArgs(m, databaseURL, "--alert-email-to=lab@example.com")
	invoke(args...).want(t, exitUsage).silent(t).says(t, "--smtp-addr", "no server to send by")
	invoke(runArgs(m, databaseURL, "--smtp-addr=localhost:25")...).want(t, exitUsage).silent(t).says(t, "--alert-email-to", "nobody to mail to")
	invoke(append(args, "--smtp-addr=localhost:25")...).want(t, exitUsage).silent(t).says(t, "--state-dir", "would send a mail each time")
	invoke(once(m, databaseURL, "--alert-email-to=lab@example.com")...).want(t, exitOK)
}
