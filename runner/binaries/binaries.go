// Package binaries builds our two programs for tests: only real ones can be signalled and killed.
// Only tests import it.
//
// A test process builds a program when the first test asks for it, and removes it in the end. Under
// `make test` nobody builds: runner/cmd/testrun has done so before, once for all packages.
package binaries

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Names of the programs.
const (
	shardClient = "shard-client"
	shardLab    = "shard-lab"
)

// M is what is needed of *testing.M.
type M interface{ Run() int }

// WithBinaries is for TestMain: it removes what the tests have built.
//
//	func TestMain(m *testing.M) { os.Exit(binaries.WithBinaries(m).Run()) }
func WithBinaries(m M) M { return cleaned{m} }

type cleaned struct{ tests M }

func (c cleaned) Run() int {
	inMain.Store(true)
	code := c.tests.Run()
	if dir := built.Load(); dir != nil {
		if err := os.RemoveAll(*dir); err != nil {
			fmt.Fprintln(os.Stderr, "binaries:", err)
			code = max(code, 1)
		}
	}
	return code
}

// ShardClient returns the path of shard-client, built from this tree; its version is "test".
func ShardClient(t testing.TB) string { t.Helper(); return path(t, shardClient) }

// ShardLab returns the path of shard-lab, built from this tree; its version is "test".
func ShardLab(t testing.TB) string { t.Helper(); return path(t, shardLab) }

var (
	inMain    atomic.Bool
	built     atomic.Pointer[string] // the directory, once there is one
	directory = sync.OnceValues(makeDirectory)
	programs  = map[string]func() (string, error){
		shardClient: sync.OnceValues(func() (string, error) { return buildHere(shardClient) }),
		shardLab:    sync.OnceValues(func() (string, error) { return buildHere(shardLab) }),
	}
)

func path(t testing.TB, name string) string {
	t.Helper()
	if shared := sharedDirectory(); shared != "" {
		return filepath.Join(shared, name)
	}
	if !inMain.Load() {
		t.Fatal("nobody would remove the programs: let the package's TestMain run binaries.WithBinaries(m)")
	}
	path, err := programs[name]()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func makeDirectory() (string, error) {
	dir, err := os.MkdirTemp("", "shard-binaries-")
	if err == nil {
		built.Store(&dir)
	}
	return dir, err
}

// buildHere builds for this test process.
func buildHere(name string) (string, error) {
	dir, err := directory()
	if err != nil {
		return "", err
	}
	if err := noteSources(); err != nil {
		return "", err
	}
	return filepath.Join(dir, name), build(dir, name)
}

// build writes programs into a directory. -trimpath, as make build has it: then both compile
// everything but once. What only a debugger reads is left out, and linking takes half as long.
func build(dir string, names ...string) error {
	args := []string{
		"build", "-buildvcs=false", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w -X main.version=test",
		"-o", dir + string(filepath.Separator),
	}
	for _, name := range names {
		args = append(args, "shardclient/runner/cmd/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static, whatever the tests themselves need
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(names, " and "), err, out)
	}
	return nil
}
