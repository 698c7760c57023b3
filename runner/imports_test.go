package runner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "shardclient"

// arrows says what each room may import of ours; a room that is missing may be imported by tests only, or not at all.
// The runner stays thin and shard-client free of the laboratory only as long as nobody draws another arrow.
var arrows = map[string][]string{
	"runner/cmd":         {"runner/config", "runner/ops", "runner/shard", "runner/afe", "runner/plain", "schema", "gen", "runner/master", "runner/lab", "runner/postgres", "runner/process"},
	"runner/cmd/testrun": {"runner/pgtest", "runner/binaries", "runner/postgres"},
	"runner/shard":       {"runner/afe", "runner/plain", "gen/shard"},
	"runner/master":      {"runner/afe", "gen/master"},
	"runner/lab":         {"runner/shard", "runner/master", "runner/afe", "runner/postgres", "runner/process", "schema", "gen/lab"},
	"runner/pgtest":      {"runner/postgres", "schema"},
	"runner/wait":        {},
	"runner/binaries":    {},
	"runner/postgres":    {"runner/process"},
	"runner/process":     {},
	"runner/faults":      {"runner/lab", "runner/postgres", "runner/process", "runner/master", "runner/shard", "runner/afe", "runner/config", "runner/pgtest", "runner/wait", "runner/binaries", "schema", "gen"},
	"runner/afe":         {"runner/plain"},
	"runner/plain":       {},
	"runner/config":      {},
	"runner/ops":         {},
	"runner":             {}, // only tests of the whole
	"schema":             {},
	"gen":                {},
}

// maxForeignModules and maxRunnerLines keep the runner thin: past them, SQL or a library should do the work.
const (
	maxForeignModules = 25
	maxRunnerLines    = 2500
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

// within says whether a path is the room or below it.
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
	if from != "runner/cmd" && from != "gen" && within(path, from) {
		return true // within a room, but commands and generated packages know nothing of each other
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
		for _, banned := range []string{"runner/master", "runner/lab", "runner/pgtest", "runner/wait", "runner/binaries", "runner/postgres", "runner/process", "runner/faults"} {
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

func TestRunnerStaysThin(t *testing.T) {
	t.Parallel()
	lines := 0
	for _, one := range goList(t, "./runner/afe/...", "./runner/shard/...") {
		for _, name := range one.GoFiles {
			lines += codeLines(readFile(t, filepath.Join(one.Dir, name)))
		}
	}
	t.Logf("runner/afe and runner/shard have %d lines of code", lines)
	if lines == 0 || lines >= maxRunnerLines {
		t.Errorf("runner/afe and runner/shard have %d lines of code without tests, want fewer than %d: let SQL or a library do more", lines, maxRunnerLines)
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
