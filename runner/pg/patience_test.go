package pg_test

import (
	"testing"

	"shardclient/runner/pg"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// The lock of a shard lives in a session, so the server must not keep one whose client was cut off:
// its own patience is two hours. The client gives up a silent server after the same time.
func TestServerGivesUpAClientThatWasCutOff(t *testing.T) {
	t.Parallel()
	server, err := postgres.Start(t.Context(), postgres.Options{TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	patience := map[string]string{
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "15", "tcp_keepalives_count": "3", "tcp_user_timeout": "60000",
	}
	for what, door := range map[string]pg.Door{
		"beat": {URL: server.URL("postgres"), AnyServer: true}, "migration": {URL: server.URL("postgres"), Migrates: true},
	} {
		pool := openDoor(t, door)
		for name, want := range patience {
			if got := pgtest.Query[string](t, pool, "SELECT current_setting($1)", name); got != want {
				t.Errorf("%s of a %s is %s, want %s", name, what, got, want)
			}
		}
	}
	pool := openDoor(t, pg.Door{URL: with(t, server.URL("postgres"), "tcp_keepalives_idle", "7"), AnyServer: true})
	if got := pgtest.Query[string](t, pool, "SHOW tcp_keepalives_idle"); got != "7" {
		t.Errorf("the connection string asks for 7 s, and has %s", got)
	}
}
