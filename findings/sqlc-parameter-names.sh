#!/bin/sh
# sqlc v1.31.1: a parameter that is named like a variable of the generated code does not compile.
#
# @rows, @row, @ctx and @result are names like any other in a query. sqlc generate takes them,
# returns 0, and writes Go in which they are declared twice: the method's own variables are rows, row,
# ctx and result. Words of Go such as type are known to it and renamed; these are not. The error comes
# from the compiler, in a file that nobody has written.
#
# Needs Go and a module proxy; compiles sqlc, two minutes the first time.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
cat > sqlc.yaml <<'YAML'
version: "2"
sql:
  - engine: postgresql
    schema: schema.sql
    queries: query.sql
    gen:
      go: {package: db, out: db, sql_package: pgx/v5}
YAML
echo 'CREATE TABLE jobs (id bigint PRIMARY KEY);' > schema.sql
cat > go.mod <<'GO'
module finding
go 1.25
GO
go get github.com/jackc/pgx/v5@v5.12.0 2>/dev/null
export CGO_ENABLED=0
try() { # try NAME KIND QUERY
	printf -- '-- name: Try :%s\n%s\n' "$2" "$3" > query.sql
	go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate 2>sqlc.err || { cat sqlc.err; exit 1; }
	go mod tidy 2>/dev/null
	if go build ./db 2>/dev/null; then echo "$1: generated, compiles"; else echo "$1: generated, does not compile"; fi
}
{
	try @ids many 'SELECT id FROM jobs WHERE id = ANY (@ids::bigint[]);'
	try @rows many 'SELECT id FROM jobs WHERE id = ANY (@rows::bigint[]);'
	try @row one 'SELECT id FROM jobs WHERE id = @row::bigint;'
	try @ctx one 'SELECT id FROM jobs WHERE id = @ctx::bigint;'
	try @result execrows 'DELETE FROM jobs WHERE id = @result::bigint;'
} > seen
echo 'sqlc v1.31.1:'
cat seen
cat > expected <<'TEXT'
@ids: generated, compiles
@rows: generated, does not compile
@row: generated, does not compile
@ctx: generated, does not compile
@result: generated, does not compile
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
