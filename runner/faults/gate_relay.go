package faults

import (
	"net"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// relay is one connection through a gate.
type relay struct {
	gate           *Gate
	number         int
	client, server net.Conn
	fromClient     *pgproto3.Backend
	toServer       *pgproto3.Frontend
	names          map[string]string // of prepared statements

	mu      sync.Mutex
	waiting []Step // for their answers, which come in order
	// refused means that the server ended a COPY before the client did. It will not answer the
	// client's end of the COPY.
	refused bool
}

func newRelay(g *Gate, number int, client, server net.Conn) *relay {
	return &relay{
		gate: g, number: number, client: client, server: server, names: map[string]string{},
		fromClient: pgproto3.NewBackend(client, client), toServer: pgproto3.NewFrontend(server, server),
	}
}

// cut closes both ends. Anything that was sent and not yet relayed is lost.
func (r *relay) cut() {
	_, _ = r.client.Close(), r.server.Close()
	r.gate.forget(r.client, r.server)
}

// up relays the client's messages until either side goes away.
func (r *relay) up() {
	if !r.startup() {
		r.cut()
		return
	}
	var what []string // since the last answer that was waited for
	for {
		message, err := r.fromClient.Receive()
		if err != nil {
			r.cut()
			return
		}
		r.toServer.Send(message)
		ends := false
		switch m := message.(type) {
		case *pgproto3.Parse:
			r.names[m.Name] = nameOf(m.Query)
			what = append(what, "prepare "+r.names[m.Name])
		case *pgproto3.Bind:
			what = append(what, r.names[m.PreparedStatement])
		case *pgproto3.Sync:
			ends = true
		case *pgproto3.Query:
			what, ends = []string{nameOf(m.String)}, true
		case *pgproto3.CopyDone:
			what, ends = []string{StepCopyDone}, true
		case *pgproto3.CopyFail:
			what, ends = []string{StepCopyFail}, true
		case *pgproto3.Terminate:
			_ = r.toServer.Flush() // no step: nobody waits for it, and the next connection may be faster
		case *pgproto3.CopyData:
			if r.toServer.Flush() != nil {
				r.cut()
				return
			}
		}
		if ends {
			if !r.forward(strings.Join(what, together)) {
				return
			}
			what = nil
		}
	}
}

// startup relays the first message of a connection. A request to cancel a statement comes on a
// connection of its own, and has no answer.
func (r *relay) startup() bool {
	message, err := r.fromClient.ReceiveStartupMessage()
	if err != nil {
		return false
	}
	r.toServer.Send(message)
	if _, ok := message.(*pgproto3.StartupMessage); !ok {
		_ = r.toServer.Flush() // the server closes the connection next
		return true
	}
	return r.forward(StepStartup)
}

// forward sends the message that completes a request, unless the test cuts the round trip.
func (r *relay) forward(what string) bool {
	r.mu.Lock()
	unanswered := r.refused && (what == StepCopyDone || what == StepCopyFail)
	r.refused = false
	r.mu.Unlock()
	if !unanswered {
		step := r.gate.count(r.number, what)
		if r.gate.judge(step, Before) == Cut {
			r.cut()
			return false
		}
		r.mu.Lock()
		r.waiting = append(r.waiting, step)
		r.mu.Unlock()
	}
	if r.toServer.Flush() != nil {
		r.cut()
		return false
	}
	return true
}

// down relays the answers, each once it is complete.
func (r *relay) down() {
	defer r.cut()
	fromServer, toClient := pgproto3.NewFrontend(r.server, r.server), pgproto3.NewBackend(r.client, r.client)
	for {
		message, err := fromServer.Receive()
		if err != nil {
			_ = toClient.Flush() // it may hold the reason why the server ended the connection
			return
		}
		toClient.Send(message)
		switch message.(type) {
		case *pgproto3.ReadyForQuery, *pgproto3.CopyInResponse:
			if step, ok := r.answered(); ok && r.gate.judge(step, After) == Cut {
				return
			}
			if toClient.Flush() != nil {
				return
			}
		}
	}
}

// answered returns the step whose answer has come.
func (r *relay) answered() (Step, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.refused = true
		return Step{}, false
	}
	step := r.waiting[0]
	r.waiting = r.waiting[1:]
	return step, true
}
