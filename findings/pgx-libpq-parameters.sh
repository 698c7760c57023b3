#!/bin/sh
# pgx v5.12.0: connection parameters of libpq that pgx does not know become settings of the session.
#
# ParseConfig accepts keepalives, load_balance_hosts, gssencmode, sslcrl and others without an error,
# in a URL, in a list and from a service file. They end up in RuntimeParams, which are sent to the
# server when a connection begins, and no server has settings by these names: each connection of a
# string that psql accepts is refused with "unrecognized configuration parameter". The same by their
# environment variables (PGGSSENCMODE, PGSSLCRL) is not looked at: a list of revoked certificates is
# read by psql and ignored by pgx.
#
# Needs Go and a module proxy; no server.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
printf '[lab]\nhost=h\nrequirepeer=postgres\n' > service.conf
cat > go.mod <<'GO'
module finding
go 1.25
GO
cat > main.go <<'GO'
package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

func main() {
	for _, text := range []string{
		"postgres://h/d?keepalives=1&load_balance_hosts=random",
		"host=h gssencmode=disable sslcrl=/etc/ssl/crl.pem",
		"service=lab servicefile=service.conf",
		"postgres://h/d",
	} {
		config, err := pgx.ParseConfig(text)
		if err != nil {
			panic(err)
		}
		fmt.Println(text, "->", slices.Sorted(maps.Keys(config.RuntimeParams)))
	}
}
GO
go get github.com/jackc/pgx/v5@v5.12.0 2>/dev/null
go mod tidy 2>/dev/null
PGSSLCRL=/none/crl.pem PGGSSENCMODE=require go run . > seen
echo 'pgx v5.12.0, with PGSSLCRL and PGGSSENCMODE in the environment, what is sent to the server:'
cat seen
cat > expected <<'TEXT'
postgres://h/d?keepalives=1&load_balance_hosts=random -> [keepalives load_balance_hosts]
host=h gssencmode=disable sslcrl=/etc/ssl/crl.pem -> [gssencmode sslcrl]
service=lab servicefile=service.conf -> [requirepeer]
postgres://h/d -> []
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
