package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// binDirVariable names the directory of initdb and postgres; nothing is searched then.
	binDirVariable = "SHARD_LAB_PG_BIN"

	// oldestMajor is the oldest major version that is supported: 13 and 14 are past their end.
	oldestMajor = 15
)

// ErrNoPostgres means that no usable PostgreSQL is on this machine. Its text says what to install.
var ErrNoPostgres = errors.New("no PostgreSQL " + strconv.Itoa(oldestMajor) + " or newer found: install it" +
	" (Debian, Ubuntu: apt-get install postgresql; Fedora, RHEL: dnf install postgresql-server;" +
	" Alpine: apk add postgresql; Arch: pacman -S postgresql; SUSE: zypper install postgresql-server;" +
	" macOS: brew install postgresql) or set " + binDirVariable + " to the directory of initdb and postgres")

// distributionDirs are the places where distributions put the server's programs, mostly outside
// PATH. install.sh looks in the same places.
var distributionDirs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/lib/postgresql*/bin",
	"/usr/lib64/postgresql*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/usr/libexec/postgresql*",
}

// binaries is a directory with initdb and postgres, and the major version of the latter.
type binaries struct {
	dir     string
	version int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// search is one search for the binaries. Tests set its fields to describe an imaginary machine.
type search struct {
	chosen  string // the only directory to try; "" means that all places are searched
	path    string // PATH
	distros []string
}

func newSearch(chosen string) search {
	return search{
		chosen:  cmp.Or(chosen, os.Getenv(binDirVariable)),
		path:    os.Getenv("PATH"),
		distros: distributionDirs,
	}
}

// find returns the first usable directory. When a directory was chosen and is not usable, that is
// an error rather than a reason to take another: whoever chose it wants that version.
func (s search) find() (binaries, error) {
	if s.chosen != "" {
		return s.findChosen()
	}
	var rejected []string
	// A source is asked only when the earlier ones had nothing, because asking pg_config starts a
	// process.
	for _, source := range []func() []string{s.onPath, s.byPgConfig, s.ofDistributions} {
		for _, dir := range source() {
			found, err := examine(dir)
			if err == nil {
				return found, nil
			}
			rejected = append(rejected, dir+": "+err.Error())
		}
	}
	if rejected != nil {
		return binaries{}, fmt.Errorf("%w (not usable: %s)", ErrNoPostgres, strings.Join(rejected, "; "))
	}
	return binaries{}, ErrNoPostgres
}

func (s search) findChosen() (binaries, error) {
	dir, err := filepath.Abs(s.chosen) // the programs run in another directory
	if err != nil {
		return binaries{}, err
	}
	found, err := examine(dir)
	if err != nil {
		return binaries{}, fmt.Errorf("use PostgreSQL in %s: %w; correct or unset %s", dir, err, binDirVariable)
	}
	return found, nil
}

// onPath lists the directory of every initdb on PATH. Links are resolved: often only initdb is
// linked into PATH, and it needs the postgres beside it.
func (s search) onPath() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(s.path) {
		if initdb, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil {
			dirs = append(dirs, filepath.Dir(initdb))
		}
	}
	return dirs
}

// byPgConfig lists the directory that pg_config names, if a server is there: pg_config may come
// from a development package without one.
func (s search) byPgConfig() []string {
	for _, dir := range filepath.SplitList(s.path) {
		out, err := exec.Command(filepath.Join(dir, "pg_config"), "--bindir").Output()
		if bin := strings.TrimSpace(string(out)); err == nil && holdsServer(bin) {
			return []string{bin}
		}
	}
	return nil
}

// ofDistributions lists the directories of the usual packages, the newest version of each first.
func (s search) ofDistributions() []string {
	var dirs []string
	for _, pattern := range s.distros {
		// Glob fails on malformed patterns only.
		matches, _ := filepath.Glob(pattern)
		matches = slices.DeleteFunc(matches, func(dir string) bool { return !holdsServer(dir) })
		slices.SortFunc(matches, func(a, b string) int { return cmp.Compare(lastNumber(b), lastNumber(a)) })
		dirs = append(dirs, matches...)
	}
	return dirs
}

func holdsServer(dir string) bool {
	if !filepath.IsAbs(dir) {
		return false
	}
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// examine returns the binaries in a directory, or an error that says why they are not usable.
func examine(dir string) (binaries, error) {
	if !holdsServer(dir) {
		return binaries{}, errors.New("does not hold both initdb and postgres")
	}
	found := binaries{dir: dir}
	out, err := exec.Command(found.path("postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	found.version = firstNumber(string(out))
	if found.version < oldestMajor {
		return binaries{}, fmt.Errorf("%s is older than %d", strings.TrimSpace(string(out)), oldestMajor)
	}
	return found, nil
}

var number = regexp.MustCompile(`[0-9]+`)

// lastNumber returns the last number in a path, or 0: 15 in "/usr/lib64/postgresql-15/bin".
func lastNumber(path string) int {
	all := number.FindAllString(path, -1)
	if all == nil {
		return 0
	}
	return firstNumber(all[len(all)-1])
}

// firstNumber returns the first number in a text, or 0: 17 in "postgres (PostgreSQL) 17beta1".
func firstNumber(text string) int {
	n, _ := strconv.Atoi(number.FindString(text))
	return n
}
