#!/bin/sh
# goose v3.29.0: a database that is newer than the program's migrations looks up to date.
#
# After a newer program has applied a migration that this one does not have, HasPending says false,
# Up does nothing and reports no error, and Status does not list the unknown version. Only
# GetVersions shows it: the current version is higher than the target. Down fails.
#
# Needs Go and a module proxy.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir -p newer older
for n in 1 2; do
	printf -- '-- +goose Up\nCREATE TABLE t%s (id int);\n-- +goose Down\nDROP TABLE t%s;\n' $n $n > newer/0000${n}_t$n.sql
done
cp newer/00001_t1.sql older/
cat > go.mod <<'GO'
module finding
go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite"
)

func main() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:lab.db")
	check(err)
	newer, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("newer"))
	check(err)
	_, err = newer.Up(ctx)
	check(err)

	older, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("older"))
	check(err)
	pending, err := older.HasPending(ctx)
	fmt.Println("HasPending:", pending, err)
	applied, err := older.Up(ctx)
	fmt.Println("Up:", len(applied), "applied,", err)
	status, err := older.Status(ctx)
	fmt.Println("Status:", len(status), "lines,", err)
	current, target, err := older.GetVersions(ctx)
	fmt.Println("GetVersions:", current, target, err)
	_, err = older.Down(ctx)
	fmt.Println("Down:", err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/pressly/goose/v3@v3.29.0 modernc.org/sqlite@v1.60.1 2>/dev/null
go mod tidy 2>/dev/null
go run . > seen
echo 'goose v3.29.0, a database with migrations 1 and 2, a program that has only migration 1:'
cat seen
cat > expected <<'TEXT'
HasPending: false <nil>
Up: 0 applied, <nil>
Status: 1 lines, <nil>
GetVersions: 2 1 <nil>
Down: version not found
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
