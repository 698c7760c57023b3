package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install makes a directory that looks like a PostgreSQL of the given version.
func install(t *testing.T, dir, version string, programs ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, program := range programs {
		if err := writeProgram(filepath.Join(dir, program), []byte(script)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindPostgresTellsWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := search{path: t.TempDir()}.find()
	if !errors.Is(err, ErrNoPostgres) {
		t.Fatalf("error %v, want ErrNoPostgres", err)
	}
	for _, hint := range []string{"apt-get install postgresql", "dnf install postgresql-server", "apk add postgresql", binDirVariable} {
		if !strings.Contains(err.Error(), hint) {
			t.Errorf("error does not say %q: %v", hint, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has more than one line: %v", err)
	}
}

func TestFindPostgresRejectsOldAndIncomplete(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old := install(t, filepath.Join(root, "old"), "12.22", "initdb", "postgres")
	half := install(t, filepath.Join(root, "half"), "16.1", "initdb")
	_, err := search{path: old + ":" + half}.find()
	if !errors.Is(err, ErrNoPostgres) {
		t.Fatalf("error %v, want ErrNoPostgres", err)
	}
	for _, reason := range []string{old + ": postgres (PostgreSQL) 12.22 is older", half + ": does not hold both"} {
		if !strings.Contains(err.Error(), reason) {
			t.Errorf("error does not say %q: %v", reason, err)
		}
	}
}

func TestFindPostgresTakesTheNewestPackage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, major := range []string{"9", "15", "17"} {
		install(t, filepath.Join(root, major, "bin"), major+".1", "initdb", "postgres")
	}
	install(t, filepath.Join(root, "100", "bin"), "100", "initdb") // a client package leaves such directories
	found, err := search{distros: []string{filepath.Join(root, "*", "bin")}}.find()
	if err != nil || found.version != 17 {
		t.Errorf("found %+v, %v; want version 17", found, err)
	}
}

func TestFindPostgresResolvesLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	real := install(t, filepath.Join(root, "real"), "17beta1", "initdb", "postgres")
	links := filepath.Join(root, "links")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	found, err := search{path: links}.find()
	if err != nil || found.version != 17 || !samePath(found.dir, real) {
		t.Errorf("found %+v, %v; want version 17 in %s", found, err, real)
	}
}

func TestFindPostgresAsksPgConfig(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	bin := install(t, filepath.Join(root, "bin"), "16.0", "initdb", "postgres")
	tools := install(t, filepath.Join(root, "tools"), "")
	script := "#!/bin/sh\necho " + bin + "\n"
	if err := writeProgram(filepath.Join(tools, "pg_config"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	found, err := search{path: tools}.find()
	if err != nil || found.dir != bin {
		t.Errorf("found %+v, %v; want %s", found, err, bin)
	}
}

func TestFindPostgresInsistsOnAChosenDirectory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	usable := install(t, filepath.Join(root, "usable"), "15.0", "initdb", "postgres")
	_, err := search{chosen: filepath.Join(root, "nothing"), path: usable}.find()
	if err == nil || !strings.Contains(err.Error(), binDirVariable) {
		t.Errorf("error %v, want one that names %s", err, binDirVariable)
	}
}

// The installer must not install beside a server that the search would have found.
func TestInstallerLooksInTheSamePlaces(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range append([]string{binDirVariable, "pg_config --bindir"}, distributionDirs...) {
		if !strings.Contains(string(script), place) {
			t.Errorf("install.sh does not look in %s", place)
		}
	}
}
