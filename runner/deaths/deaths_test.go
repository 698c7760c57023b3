package deaths

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is a process that dies, when a test has started it as one.
func TestMain(m *testing.M) {
	if how := os.Getenv("DIE"); how != "" {
		r, err := Open(Options{
			Dir: os.Getenv("DIE_IN"), Shard: "s1", Redact: func(text string) string { return text }, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		switch how {
		case "panic":
			go func() { panic("CANARY in a goroutine") }()
		case "map":
			shared := map[int]int{}
			for range 2 {
				go func() {
					for i := 0; ; i++ {
						shared[i%7] = i
					}
				}()
			}
		case "in order":
			r.Close()
			os.Exit(0)
		case "wait":
			fmt.Println("ready")
		}
		select {}
	}
	goleak.VerifyTestMain(m)
}

// die starts a process that dies, and returns once it has.
func die(t *testing.T, how, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DIE="+how, "DIE_IN="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if how == "wait" {
		if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait()
}

// someWords is what the end of a process waits in these tests; 0: as long as others do.
var someWords time.Duration

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func open(t *testing.T, dir string, mailer *Mailer) (*Register, *lines) {
	t.Helper()
	log := &lines{}
	r, err := Open(Options{
		Dir: dir, Shard: "s1", Process: "shard-client v1 on m, pid 7", Mailer: mailer, Logger: slog.New(slog.NewTextHandler(log, nil)),
		LastWords: someWords, Redact: func(text string) string { return strings.ReplaceAll(text, "CANARY", "xxxxx") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		<-r.done
	})
	return r, log
}

// However a process dies, the next one knows and says it, and counts it once.
func TestTheNextProcessTellsOfTheDeath(t *testing.T) {
	for how, want := range map[string]struct{ cause, text string }{
		"panic": {Panic, "panic: xxxxx in a goroutine"}, "map": {Fatal, "maps.fatal"}, // stderr has the runtime's words
		"wait": {Killed, "it was killed"}, "in order": {"", ""},
	} {
		dir := t.TempDir()
		die(t, how, dir)
		r, log := open(t, dir, nil)
		for _, cause := range Causes() {
			n := int64(0)
			if cause == want.cause {
				n = 1
			}
			if got := r.Count(cause); got != n {
				t.Errorf("%s: %d of %s, want %d", how, got, cause, n)
			}
		}
		if said := log.String(); !strings.Contains(said, want.text) || (said == "") != (want.cause == "") || strings.Contains(said, "CANARY") {
			t.Errorf("%s: the log says %q", how, said)
		}
		if got := r.Crashed(); got != (want.cause == Panic || want.cause == Fatal) {
			t.Errorf("%s: crashed %t", how, got)
		}
		r.Close()
		again, log := open(t, dir, nil)
		if said := log.String(); said != "" {
			t.Errorf("%s: told twice: %s", how, said)
		}
		again.Close()
	}
}

// A second client of the shard, which is refused, takes nothing from the first one, and its end
// counts.
func TestASecondProcess(t *testing.T) {
	dir := t.TempDir()
	first, _ := open(t, dir, nil)
	second, log := open(t, dir, nil)
	second.Died(Held, "another one has it")
	second.Close()
	if first.Count(Held) != 1 || log.String() != "" {
		t.Errorf("%d, %s", first.Count(Held), log.String())
	}
	third, log := open(t, dir, nil)
	third.Close()
	if log.String() != "" {
		t.Errorf("the first one is taken for dead: %s", log.String())
	}
	// What nobody can read is no reason not to start.
	if err := os.WriteFile(filepath.Join(dir, "s1.deaths.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	first.Died(Failed, "x")
	if first.Count(Failed) != 1 {
		t.Error("a broken file was kept")
	}
}

func TestADirectoryThatCannotBeUsed(t *testing.T) {
	_, err := Open(Options{Dir: filepath.Join(t.TempDir(), "none"), Shard: "s1"})
	if err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("%v", err)
	}
	r, _ := open(t, "", nil) // without one
	r.Died(Failed, "x")
	if r.Count(Failed) != 1 {
		t.Error("not counted")
	}
}

// Of one kind one mail an hour is sent, also across restarts, and the next one says how many there
// were.
func TestMailsAreGathered(t *testing.T) {
	address, mails := mailServer(t, nil)
	mailer := &Mailer{Server: address, From: "shard-client@s1", To: []string{"a@lab", "b@lab"}}
	dir := t.TempDir()
	r, _ := open(t, dir, mailer)
	r.Died(Failed, "no disk, said CANARY ü")
	first := <-mails
	if first.from != "shard-client@s1" || strings.Join(first.to, " ") != "a@lab b@lab" || first.subject != "s1: shard-client ended with an error" {
		t.Errorf("%+v", first)
	}
	if !strings.Contains(first.body, "no disk, said xxxxx =C3=BC") || !strings.Contains(first.body, "pid 7") || strings.Contains(first.body, "CANARY") {
		t.Errorf("body: %s", first.body)
	}
	r.Close()
	for range 5 { // restarts that fail
		r, _ := open(t, dir, mailer)
		r.Died(Failed, "again")
		r.Close()
	}
	r, _ = open(t, dir, mailer)
	r.Died(Held, "another kind") // is mailed at once
	if other := <-mails; other.subject != "s1: shard-client ended because another one holds the lock" {
		t.Errorf("%+v", other)
	}
	r.Close()
	anHourLater(t, r, Failed)
	r, _ = open(t, dir, mailer) // a start is enough
	if next := <-mails; next.subject != "s1: shard-client ended with an error, 5 times" {
		t.Errorf("%+v", next)
	}
	r.Fault("a beat's panic")
	if fault := <-mails; fault.subject != "s1: a beat of shard-client ended with a panic" || r.Count(fault.subject) != 0 {
		t.Errorf("%+v", fault)
	}
	select {
	case more := <-mails:
		t.Errorf("one mail too many: %+v", more)
	default:
	}
}

func anHourLater(t *testing.T, r *Register, kind string) {
	t.Helper()
	err := r.file.update(func(s *state) {
		w := s.Mails[kind]
		w.Sent = w.Sent.Add(-mailPause)
		s.Mails[kind] = w
	})
	if err != nil {
		t.Fatal(err)
	}
}

// STARTTLS is used where it is offered, and the certificate is looked at unless the server is this
// machine.
func TestStartTLS(t *testing.T) {
	certificate, pool := selfSigned(t)
	address, mails := mailServer(t, certificate)
	mailer := &Mailer{Server: address, From: "f@s", To: []string{"t@s"}}
	if err := mailer.send(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	if got := <-mails; !got.tls {
		t.Error("sent in the clear")
	}
	for _, authorities := range []bool{false, true} {
		config := (&Mailer{Server: "mail.test:25"}).security("mail.test")
		if authorities {
			config.RootCAs = pool
		}
		if config.InsecureSkipVerify || config.ServerName != "mail.test" {
			t.Errorf("a server elsewhere: %+v", config)
		}
	}
}

// A server that hangs holds nobody: neither who notes something, nor the end of the process.
func TestAMailServerThatHangs(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hangs.Close() }()
	dir := t.TempDir()
	someWords = time.Millisecond
	defer func() { someWords = 0 }()
	r, _ := open(t, dir, &Mailer{Server: hangs.Addr().String(), From: "f@s", To: []string{"t@s"}})
	r.Fault("a panic")
	r.Died(Failed, "x") // the register waits for its last words, and ends
	r.Close()
	<-r.done
	if r.Count(Failed) != 1 {
		t.Error("not counted")
	}
	// What was not sent is sent after the next start.
	address, mails := mailServer(t, nil)
	open(t, dir, &Mailer{Server: address, From: "f@s", To: []string{"t@s"}})
	for range 2 {
		<-mails
	}
}

// Nobody else reads a stack.
func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0)
	r, _ := open(t, dir, nil)
	syscall.Umask(old)
	r.Died(Failed, "x")
	for _, name := range []string{"s1.deaths.json", "s1.running"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != private {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
