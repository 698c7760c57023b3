package runner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "shardclient"

// arrows says what each room may import of ours; a room that is missing may be imported by tests
// only, or not at all. They run one way, without a circle. A newcomer may read them as the floors
// of a house, from the top down:
//
//	cmd/shard-client                     cmd/shard-lab
//	operator  loop  shard  config  command  ops   lab  master
//	                               flags  autotest  libpq
//	          apply  search              postgres  process
//	          rows  reading  lock  afe
//	          pg  objects  answer  beat  guard  plain  schema  gen
var arrows = map[string][]string{
	"runner/cmd/shard-client": {
		"runner/check", "runner/operator", "runner/deaths", "runner/loop", "runner/shard", "runner/lock", "runner/afe", "runner/pg", "runner/ops", "runner/config", "runner/libpq",
		"runner/command", "runner/flags", "runner/hint", "runner/screen", "runner/beat", "runner/guard", "runner/plain", "schema",
		"runner/repair", "runner/page/status", "runner/watch", "runner/secrets", "runner/poolers", "runner/migrate", "runner/moving", "runner/memory",
	},
	"runner/cmd/shard-client-move": {
		"runner/move", "runner/moving", "runner/command", "runner/config", "runner/autotest", "runner/flags", "runner/lock", "runner/pg", "runner/screen",
		"runner/secrets", "runner/hint", "schema",
	},
	"runner/move":   {"runner/lock", "runner/pg", "runner/plain", "gen/movedb"},
	"runner/moving": {"runner/command"},
	"runner/check": {
		"runner/operator", "runner/hint", "runner/lock", "runner/pg", "runner/afe", "runner/flags", "runner/screen", "runner/plain", "schema", "gen/sharddb",
		"runner/poolers", "runner/ops", "runner/config",
	},
	"runner/migrate":  {"runner/repair", "runner/screen", "schema"},
	"runner/poolers":  {"runner/pg", "gen/sessiondb"},
	"runner/operator": {"runner/screen", "runner/pg", "runner/beat", "runner/plain", "schema", "gen/sharddb"},
	"runner/repair": {
		"docs", "runner/operator", "runner/command", "runner/screen", "runner/hint", "runner/shard", "runner/lock", "runner/objects", "runner/afe", "runner/pg", "runner/plain",
		"gen/sharddb",
	},
	"runner/hint": {"runner/afe", "runner/beat"},

	"runner/page": {"runner/plain"},
	"runner/watch": {
		"runner/page/status", "runner/operator", "runner/shard", "runner/config", "runner/ops", "runner/beat", "runner/guard", "schema",
	},
	"runner/page/status": {"runner/page", "runner/operator", "runner/config", "runner/hint", "runner/ops", "runner/beat"},

	"runner/shard": {
		"runner/apply", "runner/aside", "runner/search", "runner/lock", "runner/afe", "runner/pg", "runner/beat", "runner/guard", "runner/plain",
		"gen/sharddb", "gen/sessiondb",
	},
	"runner/aside": {"runner/reading", "runner/lock", "runner/afe", "runner/pg", "runner/guard", "runner/plain", "gen/sharddb"},
	"runner/apply": {
		"runner/aside", "runner/reading", "runner/rows", "runner/lock", "runner/afe", "runner/objects", "runner/pg", "runner/guard", "runner/plain", "gen/sharddb",
	},
	"runner/reading":  {"runner/afe", "runner/guard"},
	"runner/rows":     {"runner/objects", "runner/guard", "gen/sharddb"},
	"runner/search":   {"runner/lock", "runner/afe", "runner/plain", "gen/sharddb"},
	"runner/lock":     {"runner/pg", "gen/sharddb"},
	"runner/loop":     {"runner/beat"},
	"runner/ops":      {"runner/beat", "runner/deaths"},
	"runner/deaths":   {},
	"runner/afe":      {"runner/objects", "runner/answer", "runner/plain"},
	"runner/objects":  {"runner/answer", "runner/plain"},
	"runner/answer":   {"runner/plain"},
	"runner/pg":       {"gen/sessiondb"},
	"runner/command":  {"runner/flags"},
	"runner/config":   {"runner/autotest", "runner/flags", "runner/secrets"},
	"runner/secrets":  {},
	"runner/flags":    {},
	"runner/libpq":    {"runner/flags"},
	"runner/screen":   {},
	"runner/autotest": {},
	"runner/beat":     {},
	"runner/guard":    {},
	"runner/plain":    {},
	"runner/memory":   {},
	"schema":          {"runner/pg", "gen/sessiondb"},
	"docs":            {},
	"gen":             {},

	"runner/cmd/testrun": {"runner/pgtest", "runner/binaries", "runner/postgres"},
	"runner/cmd/shard-lab": {
		"runner/lab", "runner/master", "runner/postgres", "runner/afe", "runner/pg", "runner/ops", "runner/config", "runner/command", "runner/flags", "runner/memory", "runner/plain",
		"schema",
	},
	"runner/lab": {
		"runner/shard", "runner/loop", "runner/afe", "runner/beat", "runner/pg", "runner/master", "runner/postgres", "runner/process",
		"runner/screen", "schema", "gen/labdb",
	},
	"runner/master":   {"runner/page", "runner/afe", "runner/pg", "runner/plain", "gen/masterdb"},
	"runner/postgres": {"runner/process"},
	"runner/process":  {},

	"runner":          {}, // only tests of the whole
	"runner/wait":     {},
	"runner/binaries": {},
	"runner/pgtest":   {"runner/postgres", "schema"},
	"runner/faults": {
		"runner/lab", "runner/master", "runner/shard", "runner/lock", "runner/afe", "runner/beat", "runner/pg", "runner/config",
		"runner/postgres", "runner/process", "runner/pgtest", "runner/wait", "runner/binaries", "schema", "gen",
	},
}

// Limits that keep shard-client thin: past them, ask what SQL or a library should be doing, or
// whether a room is two.
const (
	maxForeignModules = 30
	maxPackageLines   = 1500  // code lines of one package
	maxBeatLines      = 8600  // code lines of all packages that a beat runs through, gen aside
	maxPeopleLines    = 11500 // code lines of all packages that serve people: see forPeople
	maxFileLines      = 300   // lines of one file, comments included
	maxColumns        = 100   // of a comment; a tab counts for four
)

// goPackage is what is needed of `go list -json`.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool
	Module     *struct {
		Path string
		Main bool
	}
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one goPackage
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		packages = append(packages, one)
	}
}

// within reports whether a path is the room or below it.
func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// roomOf returns the longest room that a package stands in.
func roomOf(importPath string) (room string, known bool) {
	path := strings.TrimPrefix(importPath, module+"/")
	for name := range arrows {
		if within(path, name) && len(name) > len(room) {
			room, known = name, true
		}
	}
	// "runner" itself holds tests of the whole; anything below it needs a room of its own.
	return room, known && (room != "runner" || path == room)
}

func allowed(from, imported string) bool {
	path := strings.TrimPrefix(imported, module+"/")
	if from != "gen" && within(path, from) {
		return true // within a room, but generated packages know nothing of each other
	}
	return slices.ContainsFunc(arrows[from], func(room string) bool { return within(path, room) })
}

func TestImportDirections(t *testing.T) {
	t.Parallel()
	for _, from := range goList(t, "./...") {
		room, known := roomOf(from.ImportPath)
		if !known {
			t.Errorf("%s stands in no known room: add the room and its arrows to this test, or move the package", from.ImportPath)
			continue
		}
		for _, imported := range from.Imports {
			if within(imported, module) && !allowed(room, imported) {
				t.Errorf("%s imports %s; %s may import of ours only %q", from.ImportPath, imported, room, arrows[room])
			}
		}
	}
}

func TestShardClientLinksNoLaboratory(t *testing.T) {
	t.Parallel()
	foreign := map[string]bool{}
	for _, linked := range goList(t, "-deps", "./runner/cmd/shard-client") {
		for _, banned := range []string{"runner/master", "runner/lab", "runner/pgtest", "runner/postgres", "runner/process", "runner/wait", "runner/binaries", "runner/faults"} {
			if within(linked.ImportPath, module+"/"+banned) {
				t.Errorf("shard-client links %s; see who imports it: go list -deps -f '{{.ImportPath}} {{.Imports}}'", linked.ImportPath)
			}
		}
		if linked.Module != nil && !linked.Module.Main {
			foreign[linked.Module.Path] = true
		}
	}
	t.Logf("shard-client links %d foreign modules", len(foreign))
	if len(foreign) >= maxForeignModules {
		t.Errorf("shard-client links %d foreign modules, want fewer than %d: %q", len(foreign), maxForeignModules, sortedKeys(foreign))
	}
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// ownPackages are those of ours that shard-client is made of, generated ones aside.
func ownPackages(t *testing.T) []goPackage {
	t.Helper()
	own := goList(t, "-deps", "./runner/cmd/shard-client")
	return slices.DeleteFunc(own, func(p goPackage) bool {
		return !within(p.ImportPath, module) || within(p.ImportPath, module+"/gen")
	})
}

// forPeople are the rooms of shard-client that are there for its operators. A beat calls none of
// them, so that what they gain makes no beat harder to understand.
var forPeople = []string{
	"runner/cmd/shard-client", "runner/autotest", "runner/check", "runner/command", "runner/config", "runner/flags",
	"runner/hint", "runner/libpq", "runner/operator", "runner/ops", "runner/deaths", "runner/repair", "runner/screen", "runner/page",
	"runner/watch", "runner/secrets", "runner/poolers", "runner/migrate", "runner/moving", "runner/memory",
}

// forPeopleToo are files of the other rooms that no beat calls either. They stand where they do
// because they need what only their room may touch.
var forPeopleToo = []string{"runner/lock/beside.go", "runner/shard/preview.go", "runner/shard/recall.go", "schema/tell.go", "schema/sets.go"}

func TestShardClientStaysThin(t *testing.T) {
	t.Parallel()
	beat, people := 0, 0
	for _, one := range ownPackages(t) {
		lines := 0
		for _, name := range one.GoFiles {
			of := codeLines(readFile(t, filepath.Join(one.Dir, name)))
			if slices.Contains(forPeopleToo, strings.TrimPrefix(one.ImportPath, module+"/")+"/"+name) {
				people += of
			} else {
				lines += of
			}
		}
		if slices.ContainsFunc(forPeople, func(room string) bool { return within(one.ImportPath, module+"/"+room) }) {
			people += lines
		} else {
			beat += lines
		}
		t.Logf("%5d lines of code in %s", lines, one.ImportPath)
		if lines >= maxPackageLines {
			t.Errorf("%s has %d lines of code, want fewer than %d: is it two rooms?", one.ImportPath, lines, maxPackageLines)
		}
	}
	t.Logf("%5d lines of code for beats, %d for people", beat, people)
	if beat == 0 || beat >= maxBeatLines {
		t.Errorf("the rooms of a beat have %d lines of code, want fewer than %d: let SQL or a library do more", beat, maxBeatLines)
	}
	if people == 0 || people >= maxPeopleLines {
		t.Errorf("the rooms for people have %d lines of code, want fewer than %d: let a library do more", people, maxPeopleLines)
	}
}

func TestFilesStayShort(t *testing.T) {
	t.Parallel()
	for _, one := range goList(t, "./...") {
		if within(one.ImportPath, module+"/gen") {
			continue
		}
		for _, name := range one.GoFiles {
			if lines := bytes.Count(readFile(t, filepath.Join(one.Dir, name)), []byte("\n")); lines > maxFileLines {
				t.Errorf("%s/%s has %d lines, want at most %d: it wants to be two", one.ImportPath, name, lines, maxFileLines)
			}
		}
	}
}

// comment is what begins one, by the end of a file's name.
var comment = map[string]string{".go": "// ", ".sql": "-- ", ".sh": "# ", "": "# "}

// One width, so that paragraphs look alike and two versions of a file stand side by side. Output of
// an example is as long as it is, and a migration is never edited.
func TestCommentsAreNarrow(t *testing.T) {
	t.Parallel()
	for path, text := range sources(t) {
		begin, known := comment[filepath.Ext(filepath.Base(path))]
		if !known || within(path, "gen") || within(path, "schema") && begin == "-- " {
			continue
		}
		output := false
		for i, line := range strings.Split(text, "\n") {
			words, commented := strings.CutPrefix(strings.TrimLeft(line, "\t "), begin)
			output = commented && (output || strings.HasPrefix(words, "Output:"))
			columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if commented && !output && columns > maxColumns && strings.Contains(words, " ") {
				t.Errorf("%s:%d: a comment of %d columns, want at most %d", path, i+1, columns, maxColumns)
			}
		}
	}
}

// The wire, the noun, the clock and plain text have nothing to do with PostgreSQL.
func TestWhatIsNotOfPostgreSQLLinksNoDriver(t *testing.T) {
	t.Parallel()
	for _, linked := range goList(t, "-deps", "./runner/afe", "./runner/beat", "./runner/loop", "./runner/plain") {
		if within(linked.ImportPath, "github.com/jackc") {
			t.Errorf("one of afe, beat, loop and plain links %s", linked.ImportPath)
		}
	}
}

// A write transaction on a shard's tables passes the fence of package lock, or P7 does not hold.
// pgx begins one by these names; package pg may read with one of them, and lock is the only room
// that may call pg.Write.
func TestOnlyLockOpensWriteTransactions(t *testing.T) {
	t.Parallel()
	begins := regexp.MustCompile(`\b(BeginTxFunc|BeginFunc|BeginTx|Begin)\(|\bpg\.Write\(`)
	found := 0
	for _, one := range ownPackages(t) {
		for _, name := range one.GoFiles {
			if !begins.Match(readFile(t, filepath.Join(one.Dir, name))) {
				continue
			}
			switch room := strings.TrimPrefix(one.ImportPath, module+"/"); {
			case room == "runner/pg", room == "runner/lock":
				found++
			default:
				t.Errorf("%s/%s begins a transaction: use lock.Write, or pg.Read for a snapshot", one.ImportPath, name)
			}
		}
	}
	if found == 0 {
		t.Error("nobody begins a transaction: this test looks for the wrong names")
	}
}

// codeLines leaves out blank lines and comments: nobody should save on reasons.
func codeLines(file []byte) int {
	lines := 0
	for line := range bytes.Lines(file) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			lines++
		}
	}
	return lines
}
