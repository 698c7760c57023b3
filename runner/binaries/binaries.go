// Package binaries builds shard-client and shard-lab for tests, once for each test process: only the real programs can
// be signalled and killed.
package binaries

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// M is what is needed of *testing.M.
type M interface{ Run() int }

// Removed is for TestMain: it removes what the tests have built.
//
//	func TestMain(m *testing.M) { os.Exit(binaries.Removed(m).Run()) }
func Removed(m M) M { return removed{m} }

type removed struct{ tests M }

func (r removed) Run() int {
	code := r.tests.Run()
	mu.Lock()
	defer mu.Unlock()
	if directory != "" {
		if err := os.RemoveAll(directory); err != nil {
			fmt.Fprintln(os.Stderr, "remove built programs:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Version is what the programs say is their version.
const Version = "test"

var (
	shardClient = sync.OnceValues(func() (string, error) { return build("shard-client") })
	shardLab    = sync.OnceValues(func() (string, error) { return build("shard-lab") })

	mu        sync.Mutex
	directory string
)

// ShardClient returns the path of a shard-client that is built from this tree.
func ShardClient(t testing.TB) string {
	t.Helper()
	return built(t, shardClient)
}

// ShardLab returns the path of a shard-lab that is built from this tree.
func ShardLab(t testing.TB) string {
	t.Helper()
	return built(t, shardLab)
}

func built(t testing.TB, program func() (string, error)) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build(name string) (string, error) {
	dir, err := target()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.version="+Version, "-o", path, "shardclient/runner/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, whatever these tests need
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return path, nil
}

// target returns the directory of what this process builds.
func target() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	if directory == "" {
		made, err := os.MkdirTemp("", "shard-binaries-")
		if err != nil {
			return "", err
		}
		directory = made
	}
	return directory, nil
}
