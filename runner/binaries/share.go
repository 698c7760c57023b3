package binaries

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// directoryVariable names the directory of the programs that a whole run shares.
	directoryVariable = "SHARD_TEST_BINARIES"

	// sumVariable is a digest of these programs.
	sumVariable = "SHARD_TEST_BINARIES_SUM"
)

// Build builds both programs into a directory and returns the environment in which test processes
// use them instead of building their own. It is for the one who removes the directory when all
// tests have ended.
func Build(dir string) (environment []string, err error) {
	if err := build(dir, shardClient, shardLab); err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, name := range []string{shardClient, shardLab} {
		if err := addFile(sum, filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("digest of %s: %w", name, err)
		}
	}
	return []string{directoryVariable + "=" + dir, fmt.Sprintf("%s=%x", sumVariable, sum.Sum(nil))}, nil
}

func addFile(to io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, file)
	return errors.Join(err, file.Close())
}

// sharedDirectory is where a run has put the programs; "": this process builds its own.
//
// go test repeats an old result while the variables that the tests asked for are the same. The
// digest is asked for, so that another program means another result. The directory, which is
// another one in each run, is read without asking.
func sharedDirectory() string {
	_ = os.Getenv(sumVariable)
	for _, entry := range os.Environ() {
		if dir, ok := strings.CutPrefix(entry, directoryVariable+"="); ok {
			return dir
		}
	}
	return ""
}

// noteSources looks at every directory that the programs are built from, so that go test repeats no
// result of an older program: it remembers which directories of the module the tests have looked
// at, and sees what changed there.
func noteSources() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the sources of the programs: %w", err)
	}
	root := strings.TrimSpace(string(out))
	for _, room := range []string{"gen", "queries", "runner", "schema"} {
		look := func(_ string, _ fs.DirEntry, err error) error { return err }
		if err := filepath.WalkDir(filepath.Join(root, room), look); err != nil {
			return fmt.Errorf("look at the sources of the programs: %w", err)
		}
	}
	return nil
}
