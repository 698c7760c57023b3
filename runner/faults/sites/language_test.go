package sites

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// A server that speaks another language is understood by its codes: what fails ends in the same
// way, with the same hint, and what is set aside is set aside.
func TestAnotherLanguage(t *testing.T) {
	t.Parallel()
	server := faults.StartServer(t, postgres.Options{TCP: true})
	s := server.Database(t)
	l := faults.NewLab(t, faults.Options{DatabaseURL: s})
	l.CreateJobs(l.Shards[0], 3)
	german := translated(t, s)
	same := func(mistake func(string) string, args ...string) {
		t.Helper()
		said, code := caller{database: mistake(s), master: l.URL()}.run(t, args...)
		theirs, theirCode := caller{database: mistake(german), master: l.URL()}.run(t, args...)
		if code != theirCode || hint(said) != hint(theirs) || code == 0 || !strings.Contains(theirs, "das geht nicht") {
			t.Errorf("%s: exit %d and %d:\n%s\n%s", args, code, theirCode, said, theirs)
		}
	}
	role := func(databaseURL string) string { return databaseURL + "&role=nobody" }
	nowhere := func(databaseURL string) string { return strings.Replace(databaseURL, "/faults_", "/nowhere_", 1) }
	same(role, "once")
	same(nowhere, "quarantine", "list")
	same(nowhere, "migrate", "up")

	c := caller{database: german, master: l.URL()}
	pgtest.Exec(t, l.Shards[0].DB, trigger("afe_jobs", "IF NEW.id = 2 THEN RAISE 'not here'; END IF; RETURN NEW;"))
	for range 2 {
		c.must(t, "once")
		l.Work(l.Shards[0])
	}
	if said, _ := c.run(t, "quarantine", "list"); !strings.Contains(said, "in job 2 database") || strings.Contains(said, "job 1 ") {
		t.Errorf("the quarantine says %s, want job 2 alone", said)
	}
	c.must(t, "check")
	if n := pgtest.Query[int](t, l.Master, "SELECT count(*) FROM afe_host_queue_entries WHERE complete"); n != 2 {
		t.Errorf("%d entries are complete on the master, want 2", n)
	}
}

// hint is what an output advises, up to what differs each time.
func hint(said string) string {
	_, after, _ := strings.Cut(said, "hint")
	advice, _, _ := strings.Cut(after, "total_ms")
	return advice
}

// translated returns the URL by which the server's messages come in another language, as with
// lc_messages: all but the codes, the names, and the severity that is for programs. No translation
// need be installed for that.
func translated(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go translate(client, server)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// translate relays one connection until either side goes away.
func translate(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() {
		_, _ = io.Copy(upstream, client)
		_ = upstream.Close()
	}()
	down, up := pgproto3.NewBackend(client, client), pgproto3.NewFrontend(upstream, upstream)
	for {
		message, err := up.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.ErrorResponse:
			inGerman((*pgproto3.NoticeResponse)(m))
		case *pgproto3.NoticeResponse:
			inGerman(m)
		}
		down.Send(message)
		if down.Flush() != nil {
			return
		}
	}
}

func inGerman(m *pgproto3.NoticeResponse) {
	m.Severity, m.Message = "FEHLER", fmt.Sprintf("das geht nicht (%d Zeichen)", len(m.Message))
	m.Detail, m.Hint, m.Where = "", "", ""
}
