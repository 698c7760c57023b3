#!/bin/sh
# goose v3.29.0: asking a Provider about an empty database writes to it.
#
# Provider.Status, HasPending, GetDBVersion and GetVersions create the version table when it is
# missing. A role that may only read gets an error instead of the answer "nothing is applied", and a
# question asked with the wrong search_path leaves a second version table behind.
#
# Needs Go and a module proxy.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir migrations
printf -- '-- +goose Up\nCREATE TABLE a (id int);\n' > migrations/00001_a.sql
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
	for name, ask := range map[string]func(*goose.Provider) error{
		"Status":       func(p *goose.Provider) error { _, err := p.Status(ctx); return err },
		"HasPending":   func(p *goose.Provider) error { _, err := p.HasPending(ctx); return err },
		"GetDBVersion": func(p *goose.Provider) error { _, err := p.GetDBVersion(ctx); return err },
		"GetVersions":  func(p *goose.Provider) error { _, _, err := p.GetVersions(ctx); return err },
	} {
		db, err := sql.Open("sqlite", "file:"+name+".db")
		check(err)
		provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
		check(err)
		check(ask(provider))
		var table string
		check(db.QueryRow("SELECT coalesce(max(name), 'none') FROM sqlite_master WHERE name LIKE 'goose%'").Scan(&table))
		fmt.Printf("%s on an empty database leaves table: %s\n", name, table)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go get github.com/pressly/goose/v3@v3.29.0 modernc.org/sqlite@v1.60.1 2>/dev/null
go mod tidy 2>/dev/null
go run . | sort > seen
echo 'goose v3.29.0:'
cat seen
for name in GetDBVersion GetVersions HasPending Status; do
	echo "$name on an empty database leaves table: goose_db_version"
done > expected
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
