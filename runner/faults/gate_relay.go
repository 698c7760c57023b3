package faults

import (
	"net"
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
	// refused: the server ended a COPY before the client did, and will not answer the client's end of it.
	refused bool
}

func newRelay(g *Gate, number int, client, server net.Conn) *relay {
	return &relay{
		gate: g, number: number, client: client, server: server, names: map[string]string{},
		fromClient: pgproto3.NewBackend(client, client), toServer: pgproto3.NewFrontend(server, server),
	}
}

// cut closes both ends; what either of them has sent by then and is not relayed is lost.
func (r *relay) cut() {
	_, _ = r.client.Close(), r.server.Close()
	r.gate.forget(r.client, r.server)
}

// up relays what the client asks, until either side goes away.
func (r *relay) up() {
	if !r.startup() {
		r.cut()
		return
	}
	what := ""
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
			what = "prepare " + r.names[m.Name]
		case *pgproto3.Bind:
			what = r.names[m.PreparedStatement]
		case *pgproto3.Sync:
			ends = true
		case *pgproto3.Query:
			what, ends = nameOf(m.String), true
		case *pgproto3.CopyDone:
			what, ends = StepCopyDone, true
		case *pgproto3.CopyFail:
			what, ends = StepCopyFail, true
		case *pgproto3.Terminate:
			what, ends = StepTerminate, true
		case *pgproto3.CopyData:
			if r.toServer.Flush() != nil {
				r.cut()
				return
			}
		}
		if ends && !r.forward(what) {
			return
		}
	}
}

// startup relays the first message. A request to cancel is one of its own kind, and has no answer.
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

// forward sends what ends a round trip, unless the test cuts it.
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

// down relays the answers, each when it is whole.
func (r *relay) down() {
	defer r.cut()
	fromServer, toClient := pgproto3.NewFrontend(r.server, r.server), pgproto3.NewBackend(r.client, r.client)
	for {
		message, err := fromServer.Receive()
		if err != nil {
			_ = toClient.Flush() // why the server ends the connection
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

// answered is the step whose answer has come.
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
