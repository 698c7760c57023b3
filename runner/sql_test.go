package runner_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// statement matches the beginning of a SQL statement, so that prose which merely starts with such a
// word passes when it goes on with one that SQL does not have there.
var statement = regexp.MustCompile(`(?is)^\s*(` +
	`select\s+(.*\sfrom\s|[\d*'$@(]|true|false|null|\w+\()|insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into|with\s+(recursive\s+)?\S+\s+(\(.*\)\s*)?as|` +
	`(create|alter|drop)\s+(unique\s+index|table|index|database|view|schema|type|function|trigger|unlogged|temp\S*|role|sequence)|` +
	`truncate\s+\S+|copy\s+\S+\s+(from|to|\()|lock\s+table|set\s+(local|session)\s|values\s*\()`)

// ownSQL is the one place that may talk to a server in SQL of its own: the starter of the private
// PostgreSQL.
var ownSQL = filepath.Join("postgres", "*.go")

// testsOwn is a room that only tests import: its statements disturb and look, as those of tests do.
var testsOwn = "faults" + string(filepath.Separator)

// SQL stands in queries/, where it is checked against the schema; a string in Go is checked by
// nobody.
func TestNoSQLOutsideQueries(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if exempt, err := filepath.Match(ownSQL, path); exempt || err != nil || strings.HasPrefix(path, testsOwn) {
			return err
		}
		reportSQL(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func reportSQL(t *testing.T, path string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, readFile(t, path), 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && statement.MatchString(text) {
			t.Errorf("%s: SQL in a Go string: %.60q; write it in queries/ and run make generate", files.Position(literal.Pos()), text)
		}
		return true
	})
}

func TestStatementTellsSQLFromProse(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"SELECT 1", "\n\tselect id\nFROM hosts", "INSERT INTO x VALUES (1)", "UPDATE jobs SET shard_id = 1",
		"DELETE FROM t", "WITH a AS (SELECT 1) SELECT 2", "with a(b) as (select 1) select 2", "CREATE TABLE t ()",
		"DROP DATABASE x", "TRUNCATE t", "COPY t FROM STDIN", "LOCK TABLE t", "SET LOCAL x = 1", "SELECT count(*)",
	} {
		if !statement.MatchString(sql) {
			t.Errorf("%q passes for prose", sql)
		}
	}
	for _, prose := range []string{
		"update jobs: 3 rows", "with a shard", "create data directory with %s", "select the protocol", "lock directory: %w",
		"delete what is left", "insert jobs", "copy exchange", "show this help", "set",
	} {
		if statement.MatchString(prose) {
			t.Errorf("%q passes for SQL", prose)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// ofSyntax are written like calls of functions and are none, or belong to the grammar.
var ofSyntax = map[string]bool{
	"coalesce": true, "nullif": true, "greatest": true, "least": true, "extract": true, "position": true,
	"substring": true, "trim": true, "overlay": true, "narg": true,
}

// A function in the schema of the tables is called in place of PostgreSQL's own where it fits the
// arguments better, and polymorphic ones are fitted better by nearly all. So each call in
// shard-client's queries names its schema. Functions of ours are found in the schema of the tables.
func TestCallsNameTheirSchema(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`(^|[^.\w])([a-z_][a-z0-9_]*)\(`)
	for _, pattern := range []string{"../queries/shard/*.sql", "../queries/session/*.sql"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			for i, line := range strings.Split(string(readFile(t, file)), "\n") {
				if strings.HasPrefix(strings.TrimSpace(line), "--") {
					continue
				}
				for _, found := range call.FindAllStringSubmatch(line, -1) {
					if name := found[2]; !ofSyntax[name] && !strings.HasPrefix(name, "shard_client_") {
						t.Errorf("%s:%d: write pg_catalog.%s(...): a function of somebody else may fit better", file, i+1, name)
					}
				}
			}
		}
	}
}
