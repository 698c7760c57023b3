package pgtest

import (
	"github.com/jackc/pgx/v5"

	"shardclient/runner/postgres"
)

// Pooled returns the URL of a database by way of a pgbouncer of the test's own. mode is session,
// transaction or statement; settings are further lines of its configuration.
func Pooled(t T, databaseURL, mode string, settings ...string) string {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	pooler, err := postgres.StartPooler(t.Context(), databaseURL, mode, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pooler.URL(config.Database)
}
