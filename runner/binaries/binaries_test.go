package binaries

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The programs must be gone when all tests have ended.
func TestMain(m *testing.M) {
	code := WithBinaries(m).Run()
	if dir := built.Load(); dir != nil {
		if _, err := os.Stat(*dir); !os.IsNotExist(err) {
			println("the programs are still there:", *dir)
			code = 1
		}
	}
	os.Exit(code)
}

func TestProgramsAreBuiltOnce(t *testing.T) {
	t.Setenv(directoryVariable, "") // of a run that shares others
	for _, program := range []func(testing.TB) string{ShardClient, ShardLab} {
		path := program(t)
		first, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := os.Stat(program(t)); err != nil || !os.SameFile(first, again) || again.ModTime() != first.ModTime() {
			t.Errorf("%s: built twice (%v)", path, err)
		}
		out, err := exec.Command(path, "--version").CombinedOutput()
		if err != nil {
			out, err = exec.Command(path, "version").CombinedOutput()
		}
		if err != nil || !strings.Contains(string(out), "test") {
			t.Errorf("%s: version %q, %v", path, out, err)
		}
	}
}

// What a run has built is used, and its digest tells one build from another.
func TestSharedPrograms(t *testing.T) {
	dir := t.TempDir()
	environment, err := Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	if len(os.Getenv(sumVariable)) != 64 {
		t.Errorf("digest %q", os.Getenv(sumVariable))
	}
	for name, path := range map[string]string{shardClient: ShardClient(t), shardLab: ShardLab(t)} {
		if path != filepath.Join(dir, name) {
			t.Errorf("%s is at %s, want it in %s", name, path, dir)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
