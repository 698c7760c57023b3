package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/beat"
	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const ourShard = "shard1.example"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := forgetEnvironment(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// os/signal starts one goroutine for the process, for good.
	goleak.VerifyTestMain(cleanup{binaries.WithBinaries(pgtest.WithServer(m))},
		goleak.IgnoreTopFunction("os/signal.signal_recv"), goleak.IgnoreTopFunction("os/signal.loop"))
}

// cleanup removes what the tests of the whole package share.
type cleanup struct{ tests pgtest.M }

func (c cleanup) Run() int {
	code := c.tests.Run()
	if err := stopSecured(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// forgetEnvironment drops everything of a machine that is set up as a shard: the tests start from
// defaults, and reach no database of that machine.
func forgetEnvironment() error {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"SHARD_CLIENT_", "AUTOTEST_", "PG", "COLUMNS"} {
			if strings.HasPrefix(name, prefix) {
				if err := os.Unsetenv(name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ended says how a start of shard-client ended.
type ended struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// invoke runs shard-client as main does.
func invoke(args ...string) ended {
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := (&program{began: began, stdout: &stdout, stderr: &stderr}).run(args)
	return ended{code, stdout.String(), stderr.String(), time.Since(began)}
}

func (e ended) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", e.code, e.stdout, e.stderr)
}

// want fails the test unless the exit code is this one.
func (e ended) want(t testing.TB, code int) ended {
	t.Helper()
	if e.code != code {
		t.Fatalf("want exit %d, got %v", code, e)
	}
	return e
}

// expect is like want, for goroutines, which may not end a test.
func (e ended) expect(t testing.TB, code int) {
	t.Helper()
	if e.code != code {
		t.Errorf("want exit %d, got %v", code, e)
	}
}

// says fails the test unless each of the texts is in stderr.
func (e ended) says(t testing.TB, texts ...string) ended {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(e.stderr, text) {
			t.Errorf("want %q on stderr, got %v", text, e)
		}
	}
	return e
}

// silent fails the test unless stdout is empty.
func (e ended) silent(t testing.TB) ended {
	t.Helper()
	if e.stdout != "" {
		t.Errorf("want nothing on stdout, got %v", e)
	}
	return e
}

// result reads the one report on stdout, and fails the test when anything else is there, when a key
// is missing or new, or when the phases cannot be true.
func (e ended) result(t testing.TB) beat.Report {
	t.Helper()
	var result beat.Report
	if err := json.Unmarshal([]byte(e.stdout), &result); err != nil {
		t.Fatalf("stdout is not a result: %v\n%v", err, e)
	}
	if again, err := json.Marshal(result); err != nil || string(again)+"\n" != e.stdout {
		t.Errorf("want one report and a newline on stdout, such as %s, got %v", again, e)
	}
	sum := time.Duration(0)
	for phase, took := range result.Phases() {
		if took < 0 {
			t.Errorf("phase %s took %v: %s", phase, took, e.stdout)
		}
		sum += took
	}
	if sum > e.took {
		t.Errorf("the phases take %v of a run of %v", sum, e.took)
	}
	return result
}

// counts returns a result without the fields that differ from run to run.
func counts(r beat.Report) beat.Report {
	r.Error, r.PackedMS, r.RPCMS, r.AckMS, r.ApplyMS = "", 0, 0, 0, 0
	return r
}

// once returns the command line of a beat with this master and database.
func once(master *fakeMaster, databaseURL string, more ...string) []string {
	return append([]string{"once", "--shard-hostname", ourShard, "--master", master.URL, "--database-url", databaseURL,
		"--user", "chromeos-test", "--output", "json"}, more...)
}

func open(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// database makes a migrated database and returns its address and a pool.
func database(t testing.TB) (string, *pgxpool.Pool) {
	t.Helper()
	databaseURL := pgtest.Database(t)
	return databaseURL, open(t, databaseURL)
}

// edit returns a URL with something changed.
func edit(t testing.TB, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// golden compares a text with a file, or writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update accepts it):\n%s", path, diff)
	}
}
