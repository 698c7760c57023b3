package runner_test

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/flags"
	"shardclient/runner/moving"
	"shardclient/runner/ops"
	"shardclient/runner/shard"
)

// The documents are compared with the code here, because nobody compares them when the code
// changes.

// documents returns the text of every page, by its path from the top of the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "findings/*.md"} {
		paths, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			pages[filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))] = string(readFile(t, path))
		}
	}
	return pages
}

// sources returns the text of every file whose comments may cite a page.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, root := range []string{"../runner", "../schema", "../queries", "../gen", "../Makefile", "../.ci"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && !strings.Contains(path, "testdata") && entry.Name() != "links_test.go" {
				files[strings.TrimPrefix(filepath.ToSlash(path), "../")] = string(readFile(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// found returns the first group of each match, once and in order.
func found(pattern, text string) []string {
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// section returns what stands below a heading of the second level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// same reports what only the code or only the documents have.
func same(t *testing.T, what string, code, documented []string) {
	t.Helper()
	for _, one := range code {
		if !slices.Contains(documented, one) {
			t.Errorf("%s %s is not documented", what, one)
		}
	}
	for _, one := range documented {
		if !slices.Contains(code, one) {
			t.Errorf("%s %s is documented, but not in the code", what, one)
		}
	}
	if len(code) == 0 {
		t.Errorf("%s: none found, this test looks in the wrong place", what)
	}
}

func TestDocumentedTestsExist(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for path, text := range sources(t) {
		if strings.HasSuffix(path, "_test.go") {
			code.WriteString(text)
		}
	}
	tests := append(found(`(?m)^func (Test\w+)\(`, code.String()), "TestMain")
	for path, page := range documents(t) {
		for _, name := range found(`\b(Test[A-Z]\w*)`, page) {
			if !slices.Contains(tests, name) {
				t.Errorf("%s names %s, which is not a test", path, name)
			}
		}
	}
	promises := found(`(?m)^### (P\d+) `, documents(t)["docs/promises.md"])
	if len(promises) < 10 {
		t.Errorf("only %q are promised", promises)
	}
	for _, promise := range promises {
		named := regexp.MustCompile(`^Test(P\d+)*` + promise + `([A-Z]|$)`)
		if !slices.ContainsFunc(tests, named.MatchString) {
			t.Errorf("no test is named after %s", promise)
		}
	}
}

func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	page := strings.Join(strings.Fields(pages["docs/settings.md"]), " ")
	var code, variables []string
	fields, i := reflect.TypeFor[config.Config](), 0
	flags.New(&config.Config{}).VisitAll(func(flag *pflag.Flag) {
		names := strings.Split(fields.Field(i).Tag.Get("env"), ",")
		item := fmt.Sprintf("--%s`, `%s", flag.Name, names[0])
		code, variables, i = append(code, item), append(variables, names...), i+1
		if want := "- `" + item + "`. Default: `" + flag.DefValue + "`."; flag.DefValue != "" && !strings.Contains(page, want) {
			t.Errorf("docs/settings.md lacks %q", want)
		}
	})
	same(t, "setting", code, found("- `(--[a-z-]+`, `SHARD_CLIENT_[A-Z_]+)`", page))
	for _, field := range slices.Concat(reflect.VisibleFields(reflect.TypeFor[moving.Import]()), reflect.VisibleFields(reflect.TypeFor[moving.Export]())) {
		variables = append(variables, field.Tag.Get("env")) // of commands
	}
	for path, text := range pages {
		for _, name := range found(`\b(SHARD_CLIENT_[A-Z_]+)`, text) {
			if !slices.Contains(variables, name) {
				t.Errorf("%s names %s, which sets nothing", path, name)
			}
		}
	}
}

// Names that begin with shard_client_ are metrics or objects of the schema.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	served := servedMetrics(t)
	pages, schema := documents(t), ""
	for path, text := range sources(t) {
		if strings.HasPrefix(path, "schema/") {
			schema += text
		}
	}
	same(t, "metric", served, found("(?m)^\\| `(shard_client_[a-z_]+)[`{]", pages["docs/metrics.md"]))
	for path, page := range pages {
		for _, name := range found(`\b(shard_client_[a-z_]+)`, page) {
			if !strings.Contains(schema, name) && !slices.Contains(served, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("%s names %s, which is neither a metric nor in the schema", path, name)
			}
		}
	}
}

func servedMetrics(t *testing.T) []string {
	t.Helper()
	metrics, err := ops.NewMetrics(ops.MetricsOptions{
		Version: "v", SchemaVersion: 1, Failures: shard.Failures(), UploadLimit: beat.Batch{Jobs: 1, Bytes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	health, err := ops.NewHealth(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := ops.Listen(t.Context(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ops.ServeAt(listener, metrics, health, nil, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	answer, err := http.Get("http://" + server.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return found(`(?m)^# TYPE (shard_client_\w+)`, string(body))
}

func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	program := ""
	for path, text := range sources(t) {
		if strings.HasPrefix(path, "runner/cmd/shard-client/") {
			program += text
		}
	}
	code := found(`(?m)^\s+exit[A-Z]\w*\s*= (\d+)`, program)
	same(t, "exit code", code, found(`(?m)^\| (\d+) \|`, section(t, pages["docs/settings.md"], "Exit codes")))
	same(t, "exit code", code, found(`(?m)^\| (\d+) \|`, section(t, pages["README.md"], "Point it at a real master")))
}

func TestFailuresAreDocumented(t *testing.T) {
	t.Parallel()
	files, runbook := sources(t), documents(t)["docs/runbook.md"]
	classes := append(shard.Failures(), beat.FailureStopped)
	same(t, "class of failure", classes, found(`(?m)^### (\w+)$`, section(t, runbook, "Classes of failure")))
	alerts := documents(t)["docs/metrics.md"]
	same(t, "class of failure", classes, found("`([a-z_]+)`", section(t, alerts, "Which alert tells of which failure")))
	code := found(`(?m)^\s+Code\w+\s*= "(\w+)"`, files["runner/aside/aside.go"])
	code = append(code, found(`'(\w+)'(?:::text)? AS code`, files["queries/shard/hosts.sql"]+files["queries/shard/jobs.sql"])...)
	code = append(code, found(`SELECT s\.\w+, \d, \S+ '(\w+)'`, files["queries/shard/jobs.sql"])...)
	code = append(code, found(`'out', s\.kind, s\.id, '(\w+)'`, files["queries/shard/probe.sql"])...)
	same(t, "quarantine code", code, found(`(?m)^### (\w+)`, section(t, runbook, "Quarantine codes")))
}

// Messages are compared up to the first mark in them: the runbook leaves out the rest.
func TestLogMessagesAreDocumented(t *testing.T) {
	t.Parallel()
	room := regexp.MustCompile(`^runner/(shard|apply|aside|search|loop|lock|pg|afe|ops|config|operator|deaths|watch|cmd/shard-client)/`)
	program := ""
	for path, text := range sources(t) {
		if room.MatchString(path) && !strings.HasSuffix(path, "_test.go") {
			program += text
		}
	}
	log := strings.Join(strings.Fields(section(t, documents(t)["docs/runbook.md"], "Log")), " ")
	for _, message := range found("[lL]og(?:ger)?\\.(?:Debug|Info|Warn|Error|Log)\\((?:\\S+, level, )?\"([^\";:`]+)", program) {
		if !strings.Contains(log, "`"+message) {
			t.Errorf("docs/runbook.md lacks the message %q", message)
		}
	}
	for _, message := range found("\\b(?:debug|info|warn|error) ``?([^`;:]+)", log) {
		if !strings.Contains(program, message) {
			t.Errorf("docs/runbook.md has the message %q, which nobody logs", message)
		}
	}
}

func TestDependenciesAreListed(t *testing.T) {
	t.Parallel()
	direct := found(`(?m)^\t(\S+) v\S+$`, string(readFile(t, "../go.mod")))
	_, decision, _ := strings.Cut(documents(t)["docs/decisions/0010-dependencies.md"], "\n- ")
	decision, _, _ = strings.Cut(decision, "shard-client links")
	same(t, "dependency", direct, found("`([a-z.]+\\.[a-z]+/[^`]+)`", decision))
}

// At 3 a.m. nobody should copy SQL: whatever the runbook tells people to do has a command, or says
// why it has none.
func TestTheRunbookNeedsNoSQL(t *testing.T) {
	t.Parallel()
	page := documents(t)["docs/runbook.md"]
	if !strings.Contains(page, "\n    shard-client quarantine show ") {
		t.Error("this test looks for commands in the wrong place")
	}
	done := regexp.MustCompile(`pg_terminate_backend|psql|(?i)\bsql by hand`)
	for i, line := range strings.Split(page, "\n") {
		_, block := strings.CutPrefix(line, "    ")
		texts := found("`([^`]+)`", line)
		if block {
			texts = append(texts, line)
		}
		for _, text := range texts {
			text = strings.TrimSpace(text)
			keyword, _, _ := strings.Cut(text, " ")
			ofOthers := text == "ALTER TABLE" || text == "VACUUM FULL" // which hold locks
			isSQL := slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "CREATE", "DROP", "GRANT", "REVOKE", "BEGIN;", "COMMIT;", "FROM", "SET", "WHERE"}, keyword)
			if !ofOthers && isSQL || done.MatchString(text) {
				t.Errorf("docs/runbook.md:%d: SQL by hand: %s", i+1, line)
			}
		}
	}
}
