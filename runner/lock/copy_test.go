package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/lock"
	"shardclient/runner/pgtest"
)

// served returns the address of a database that a client has served.
func served(t *testing.T) string {
	t.Helper()
	address := pgtest.Database(t)
	pool := openPool(t, address)
	l := newLock(t, pool, "the original")
	hold(t, l)
	l.Release(t.Context())
	pool.Close()
	return address
}

func openPool(t *testing.T, address string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// A copy of a database that was served is served only when somebody says so, once.
func TestP7ACopyIsNotServedUnasked(t *testing.T) {
	t.Parallel()
	original := served(t)
	pool := openPool(t, pgtest.Clone(t, original))
	l := newLock(t, pool, "the copy")
	var copied *lock.CopyError
	if err := l.Hold(t.Context()); !errors.As(err, &copied) || copied.Who != "the original" || copied.Was == copied.Is ||
		!strings.Contains(err.Error(), "--adopt") || !strings.Contains(err.Error(), "the original") {
		t.Fatalf("%v, want a *CopyError that names the original and says what to do", err)
	}
	if epoch := pgtest.Query[int64](t, pool, "SELECT epoch FROM shard_client_owner"); epoch != 1 {
		t.Errorf("epoch %d, want that of the original", epoch)
	}
	l.Adopt()
	hold(t, l)
	l.Release(t.Context())
	hold(t, newLock(t, pool, "the next")) // which nobody told
	hold(t, newLock(t, openPool(t, original), "the original again"))
}

// A database that was restored at another server shows itself by the identifier of the server.
func TestARestoredDatabaseIsACopy(t *testing.T) {
	t.Parallel()
	pool := openPool(t, served(t))
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET system_identifier = system_identifier - 1")
	l := newLock(t, pool, "the restored")
	l.Adopt()
	hold(t, l)
	l.Release(t.Context())
	// The client that adopted it does not adopt what comes afterwards.
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET system_identifier = system_identifier - 1")
	var copied *lock.CopyError
	if err := l.Hold(t.Context()); !errors.As(err, &copied) {
		t.Errorf("%v, want a *CopyError", err)
	}
}

// What an older client left, and a role that may not ask for the server's identifier, are no signs
// of a copy. What is known is noted.
func TestUnknownPlacesAreNoCopies(t *testing.T) {
	t.Parallel()
	pool := openPool(t, served(t))
	pgtest.Exec(t, pool, "UPDATE shard_client_owner SET system_identifier = NULL, database_oid = NULL")
	hold(t, newLock(t, pool, "the newer"))
	if !pgtest.Query[bool](t, pool, `SELECT o.system_identifier = s.system_identifier AND o.database_oid = d.oid
		FROM shard_client_owner AS o, pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()`) {
		t.Error("it is not noted where the database is")
	}
	forbidden := openPool(t, served(t))
	pgtest.Exec(t, forbidden, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE asks_not LOGIN;
		GRANT ALL ON ALL TABLES IN SCHEMA public TO asks_not`)
	config := forbidden.Config()
	config.ConnConfig.User = "asks_not"
	role, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		role.Close()
		if _, err := forbidden.Exec(context.Background(), "DROP OWNED BY asks_not; DROP ROLE asks_not", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Error(err)
		}
	})
	hold(t, newLock(t, role, "the one that may not ask"))
}
