package process_test

import (
	"strings"
	"testing"

	"shardclient/runner/faults"
	"shardclient/runner/postgres"
	"shardclient/runner/wait"
)

// PostgreSQL is killed, and starts again over what it had made durable: the client goes on by
// itself within two pauses, and nothing is lost, at whichever step of a beat it was.
func TestPostgresKilledAndRestarted(t *testing.T) {
	t.Parallel()
	server := faults.StartServer(t, postgres.Options{
		Durable: true, Settings: map[string]string{"fsync": "off"}, // its processes die, not the machine
	})
	for name, strikes := range map[string]struct {
		what string
		side faults.Side
	}{
		"idle":        {"", faults.Before},
		"pack":        {"RecordsOfJobs", faults.Before},
		"acknowledge": {"AcknowledgeJobs", faults.After},
		"apply":       {"JobUpdate", faults.After},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: the server is killed for all
			r := buildRich(t, server)
			l, s := r.Lab, r.Shards[0]
			truth, gate := localTruth(t, l), l.Gate(s)
			died := make(chan struct{})
			gate.Strike(faults.Once(strikes.what, strikes.side, func() faults.Verdict {
				must(t)(nil, server.Kill())
				close(died)
				return faults.Cut
			}))
			client := l.Start(s, "run", "--database-url="+gate.DatabaseURL())
			if strikes.what == "" {
				client.Says("msg=heartbeat ")
				must(t)(nil, server.Kill())
				close(died)
			}
			wait.For(t, "for PostgreSQL to be killed", died, client.Log)
			must(t)(nil, server.Restart(t.Context()))
			s.DB.Reset()
			said := len(client.Log())
			wait.Until(t, "a heartbeat", func() bool { return strings.Contains(client.Log()[said:], "msg=heartbeat ") })
			since, _, _ := strings.Cut(client.Log()[said:], "msg=heartbeat ")
			if failed := strings.Count(since, "heartbeat failed"); failed > 2 {
				t.Errorf("%d heartbeats failed although the server was back, want at most 2", failed)
			}
			client.Stop()
			holds(t, l, truth)
			r.recovers(t, l)
		})
	}
}
