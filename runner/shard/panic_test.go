package shard_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// panicking is a master whose next call panics, in the way a fault of our own would.
type panicking struct {
	shard.Master
	armed *bool
	where string
}

func (p panicking) Protocol() afe.Protocol {
	p.panics("protocol")
	return p.Master.Protocol()
}

func (p panicking) Heartbeat(ctx context.Context, packet *afe.Packet) (*afe.Response, error) {
	p.panics("heartbeat")
	return p.Master.Heartbeat(ctx, packet)
}

func (p panicking) panics(where string) {
	if *p.armed && where == p.where {
		*p.armed = false
		var nobody []int
		_ = nobody[len(where)]
	}
}

// A panic is a failed beat with its stack in the log. The next beat finds neither the old lock nor
// an open transaction.
func TestPanicIsAFailedBeat(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"protocol", "heartbeat"} {
		t.Run(where, func(t *testing.T) {
			pool, master, armed := pgtest.Pool(t), newMaster(t), false
			master.saysResult(result(nil, nil, nil))
			var log bytes.Buffer
			o := options()
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			client := newClient(t, pool, panicking{wire(t, master, afe.Protocol2019), &armed, where}, o)
			mustBeat(t, client)
			armed = true
			b := client.Beat(t.Context(), time.Now())
			if b.Failure != string(afe.Internal) ||
				!strings.Contains(b.Error, "index out of range") || !strings.Contains(b.Error, "please report it") {
				t.Errorf("%s: %s: %s, want a failure of shard-client itself", b.Outcome, b.Failure, b.Error)
			}
			text := log.String()
			for _, want := range []string{
				"level=ERROR", `stack="shard_test.panicking.panics shard/panic_test.go:`, `\nshard.(*Client).Beat shard/beat.go:`,
			} {
				if !strings.Contains(text, want) {
					t.Errorf("the log lacks %q:\n%s", want, text)
				}
			}
			const left = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
			if n := pgtest.Query[int](t, pool, left); n != 0 {
				t.Errorf("%d locks are held after the panic", n)
			}
			if n := pool.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are in use after the panic", n)
			}
			mustBeat(t, client)
		})
	}
}

// withoutState changes an ErrorResponse as a proxy does that shortens the SQLSTATE or leaves it
// out.
func withoutState(state string) func(message) []byte {
	return func(m message) []byte {
		if m.kind != 'E' {
			return nil
		}
		var body []byte
		for field := range bytes.SplitSeq(m.body, []byte{0}) {
			if len(field) > 0 && field[0] == 'C' {
				field = []byte("C" + state)
			}
			if len(field) > 1 {
				body = append(append(body, field...), 0)
			}
		}
		return message{'E', append(body, 0)}.bytes()
	}
}

// A proxy that left the SQLSTATE out made `run` panic.
func TestErrorWithoutSQLSTATEIsAFailedBeat(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"", "2", "23"} {
		t.Run(fmt.Sprintf("state %q", state), func(t *testing.T) {
			url := pgtest.Database(t)
			w, pool := newWarped(t, url)
			master := newMaster(t)
			client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
			master.saysResult(result([]string{host(1, "h1")}, nil, nil))
			pgtest.Exec(t, pool, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken' USING ERRCODE = '55000'; END $$;
				CREATE TRIGGER fail BEFORE INSERT ON afe_hosts FOR EACH ROW EXECUTE FUNCTION fail()`)
			change := withoutState(state)
			w.change.Store(&change)
			b := client.Beat(t.Context(), time.Now())
			failed := b.Failure == beat.FailureDatabase && strings.Contains(b.Error, "broken")
			if aside := state == "23" && b.Quarantined == 1; !aside && !failed {
				t.Errorf("%s: %s: %s", b.Outcome, b.Failure, b.Error)
			}
			w.change.Store(nil)
			pgtest.Exec(t, pool, "DROP TRIGGER fail ON afe_hosts")
			mustBeat(t, client)
		})
	}
}

// malformations are the ways in which a message can be broken.
var malformations = map[string]func(message) []byte{
	"body is empty":       func(m message) []byte { return message{m.kind, nil}.bytes() },
	"body is half":        func(m message) []byte { return message{m.kind, m.body[:len(m.body)/2]}.bytes() },
	"body lacks its last": func(m message) []byte { return message{m.kind, m.body[:max(len(m.body)-1, 0)]}.bytes() },
	"body is 0xff":        func(m message) []byte { return message{m.kind, bytes.Repeat([]byte{0xff}, len(m.body))}.bytes() },
	"body is 0x7f":        func(m message) []byte { return message{m.kind, bytes.Repeat([]byte{0x7f}, len(m.body))}.bytes() },
	"body is 0":           func(m message) []byte { return message{m.kind, make([]byte, len(m.body))}.bytes() },
	"count of fields lies": func(m message) []byte {
		return message{m.kind, append([]byte{0x7f, 0xff}, m.body[min(2, len(m.body)):]...)}.bytes()
	},
	"first length lies":       func(m message) []byte { return message{m.kind, slot(m.body, 2, 0x7fffffff)}.bytes() },
	"first length is minus 2": func(m message) []byte { return message{m.kind, slot(m.body, 2, 0xfffffffe)}.bytes() },
	"first value is short": func(m message) []byte {
		return message{m.kind, append(slot(m.body[:min(6, len(m.body))], 2, 3), 1, 2, 3)}.bytes()
	},
	"length is 0":        func(m message) []byte { return append([]byte{m.kind, 0, 0, 0, 0}, m.body...) },
	"length is negative": func(m message) []byte { return append([]byte{m.kind, 0xff, 0xff, 0xff, 0xff}, m.body...) },
	"length is too long": func(m message) []byte { return append([]byte{m.kind, 0, 1, 0, 0}, m.body...) },
	"kind is unknown":    func(m message) []byte { return message{'!', m.body}.bytes() },
	"kind is another's":  func(m message) []byte { return message{'T', m.body}.bytes() },
	"no message at all":  func(message) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
}

// broken says which malformations meet which message. Each way to read a body meets all that it
// could take differently, and each state that a connection can be in meets wrong frames, which are
// read before anything knows the kind. All the other pairs would run the same code once more.
var broken = func() map[string][]string {
	frames := []string{
		"length is 0", "length is negative", "length is too long", "kind is unknown", "kind is another's", "no message at all",
	}
	another := []string{"kind is another's"}
	texts := []string{"body is empty", "body is half", "body lacks its last", "body is 0xff", "body is 0", "count of fields lies"}
	fields := slices.Concat(texts, []string{"body is 0x7f", "first length lies", "first length is minus 2", "first value is short"})
	return map[string][]string{
		// Answers to statements, first, where the question is whether the lock is still held, and
		// in the midst.
		"D1": {"length is too long", "no message at all", "body is 0xff", "first value is short"},
		"D5": slices.Concat(fields, frames),
		"C2": slices.Concat(texts, another),
		"22": {"body is empty", "count of fields lies", "kind is another's"},
		"Z5": {"body is empty", "body is 0xff", "count of fields lies", "kind is another's"},
		// The start of COPY.
		"G1": slices.Concat(fields, frames),
		// The start of a connection.
		"S1": slices.Concat(texts, another), "R1": slices.Concat(texts, frames, []string{"first value is short"}),
		"K1": slices.Concat(texts, another),
	}
}()

// slot writes a 32-bit number at a place of a body, if it is that long.
func slot(body []byte, at int, value uint32) []byte {
	body = bytes.Clone(body)
	if len(body) >= at+4 {
		binary.BigEndian.PutUint32(body[at:], value)
	}
	return body
}

// Whatever bytes a server sends, the beat fails, and a later one succeeds.
func TestMalformedMessagesFailTheBeat(t *testing.T) {
	t.Parallel()
	w, pool := newWarped(t, pgtest.Database(t))
	master := newMaster(t)
	answer := result([]string{host(1, "h1")}, goodJobs(1), nil)
	master.saysResult(answer)
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), options())
	mustBeat(t, client)
	for where, names := range broken {
		kind, nth := where[0], int32(where[1]-'0')
		for _, name := range names {
			change := malformations[name]
			var seen, hit atomic.Int32
			warp := func(m message) []byte {
				if m.kind != kind || seen.Add(1) != nth {
					return nil
				}
				hit.Add(1)
				return change(m)
			}
			if strings.IndexByte("SRK", kind) >= 0 {
				pool.Reset()
			}
			if kind == 'G' { // only what is new is copied
				pgtest.Exec(t, pool, "DELETE FROM afe_job_keyvals; DELETE FROM afe_jobs_dependency_labels; "+
					"DELETE FROM afe_host_queue_entries; DELETE FROM afe_jobs", simple)
			}
			w.change.Store(&warp)
			master.saysResult(answer)
			b := client.Beat(t.Context(), time.Now())
			w.change.Store(nil)
			master.saysResult(result(nil, nil, nil)) // to store something proves no more afterwards
			// The first ones answer to the question whether the lock is still held; it is taken
			// anew.
			lost := nth == 1 && strings.IndexByte("DC2Z", kind) >= 0
			if hit.Load() == 0 || b.OK() && !lost || b.Failure == string(afe.Internal) {
				t.Errorf("%s, %s: met %d times: %s %s: %s", where, name, hit.Load(), b.Outcome, b.Failure, b.Error)
			}
			w.cut()
			pool.Reset()
			for b = client.Beat(t.Context(), time.Now()); !b.OK(); b = client.Beat(t.Context(), time.Now()) {
				if t.Context().Err() != nil || b.Failure == string(afe.Internal) {
					t.Fatalf("%s, %s: afterwards: %s: %s", where, name, b.Failure, b.Error)
				}
			}
		}
	}
}

// What reports a beat may have a fault too: redaction handles foreign text.
func TestPanicOfTheRedactorIsAFailedBeat(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	master.say(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	var log bytes.Buffer
	o, armed := options(), true
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.Redact = func(text string) string {
		if armed {
			panic("no text is safe")
		}
		return text
	}
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	if b := client.Beat(t.Context(), time.Now()); b.OK() || b.Failure != string(afe.Internal) {
		t.Errorf("%s: %s: %s, want a failure of shard-client itself", b.Outcome, b.Failure, b.Error)
	}
	if text := log.String(); !strings.Contains(text, "no text is safe") || !strings.Contains(text, "TestPanicOfTheRedactor") {
		t.Errorf("the log lacks the panic or its stack:\n%s", text)
	}
	armed = false
	master.saysResult(result(nil, nil, nil))
	mustBeat(t, client)
}
