package ops

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	log, out, buf := fileLogger(t, dir)
	out.closer.(*logFile).limit = 1000
	for i := range 200 {
		log.Info("line", "n", i)
	}
	want := []string{startName, startName + ".1", startName + ".2", startName + ".3"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	var kept string
	for _, name := range slices.Backward(want) {
		text := contents(t, filepath.Join(dir, name))
		if len(text) > 1000 || len(text) == 0 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		kept += text
	}
	if !strings.HasSuffix(buf.String(), kept) || !strings.Contains(kept, "n=199") {
		t.Error("the files are not the end of the log")
	}
}

// TestFailedRotationKeepsWhatWasLogged: attempts to rotate on a full disk must not remove old
// files.
func TestFailedRotationKeepsWhatWasLogged(t *testing.T) {
	dir := t.TempDir()
	log, out, buf := fileLogger(t, dir)
	out.closer.(*logFile).limit = 200
	for i := range 20 {
		log.Info("line", "n", i)
	}
	before := contents(t, filepath.Join(dir, startName+".3"))
	obstacle := filepath.Join(dir, startName+freshSuffix, "x")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		log.Info("more", "n", i)
	}
	if contents(t, filepath.Join(dir, startName+".3")) != before {
		t.Error("a failed rotation moved files")
	}
	if got := strings.Count(buf.String(), "log file cannot be written"); got != 1 {
		t.Errorf("%d reports, want 1", got)
	}
	if err := os.RemoveAll(filepath.Dir(obstacle)); err != nil {
		t.Fatal(err)
	}
	log.Info("last")
	if got := contents(t, filepath.Join(dir, startName)); !strings.Contains(got, "msg=last") {
		t.Errorf("the file did not recover: %q", got)
	}
}

// makeOld makes the files of a start that was last written to the given number of hours ago.
func makeOld(t *testing.T, dir, name string, hours int, suffixes ...string) {
	t.Helper()
	for _, suffix := range append(suffixes, "") {
		path := filepath.Join(dir, name+suffix)
		if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-time.Duration(hours) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOldStartsAreRemoved plays docs/promises.md, "full disk": every restart made a new log file,
// until the disk was full.
func TestOldStartsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for day := 1; day <= 14; day++ {
		makeOld(t, dir, fmt.Sprintf("shard_client.log.2018-01-%02d-00.00.00", day), 24*(15-day), ".1", ".2", ".3", ".new")
	}
	makeOld(t, dir, "shard_client.log.2017-01-01-00.00.00-12", 9999)
	others := []string{
		"scheduler.log.2014-01-01-00.00.00", "shard_client.log.2014-01-01-00.00.00.gz",
		"shard_client.log.latest", "shard_client.log",
	}
	for _, name := range others {
		makeOld(t, dir, name, 99999)
	}
	if err := os.Mkdir(filepath.Join(dir, "shard_client.log.2014-01-01-00.00.00"), 0o700); err != nil {
		t.Fatal(err)
	}
	fileLogger(t, dir)
	want := append(slices.Clone(others), "shard_client.log.2014-01-01-00.00.00", startName)
	for day := 5; day <= 14; day++ {
		for _, suffix := range []string{"", ".1", ".2", ".3", ".new"} {
			want = append(want, fmt.Sprintf("shard_client.log.2018-01-%02d-00.00.00%s", day, suffix))
		}
	}
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files:\n got %q\nwant %q", got, want)
	}
}

// Names say when starts were, and the times of files do not: files were copied back, cut, or
// written while the clock was wrong. A name that lies in the future was given before the clock was
// set back.
func TestStartsAreRemovedInTheOrderOfTheirNames(t *testing.T) {
	dir := t.TempDir()
	for i := 1; i <= 9; i++ { // the older the name, the newer the file
		makeOld(t, dir, fmt.Sprintf("shard_client.log.2019-03-1%d-00.00.00", i%5), i)
		makeOld(t, dir, fmt.Sprintf("shard_client.log.2030-01-0%d-00.00.00", i), i)
	}
	for _, second := range []string{"", "-2", "-9", "-10"} {
		makeOld(t, dir, "shard_client.log.2019-03-15-11.59.59"+second, 1)
	}
	fileLogger(t, dir)
	want := []string{startName}
	for day := range 5 {
		want = append(want, fmt.Sprintf("shard_client.log.2019-03-1%d-00.00.00", day))
	}
	for _, second := range []string{"", "-2", "-9", "-10"} {
		want = append(want, "shard_client.log.2019-03-15-11.59.59"+second)
	}
	want = append(want, "shard_client.log.2030-01-09-00.00.00") // the tenth
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files:\n got %q\nwant %q", got, want)
	}
}

// The log file is what its name says, whatever became of the file that was opened.
func TestLogFileIsWhatItsNameSays(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, path string){
		"moved": func(t *testing.T, path string) { must(t, os.Rename(path, path+".old")) },
		"moved, and another made": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".old"))
			must(t, os.WriteFile(path, []byte("theirs\n"), 0o600))
		},
		"deleted": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"overwritten": func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".x", nil, 0o600))
			must(t, os.Rename(path+".x", path))
		},
		"cut": func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"directory deleted and made again": func(t *testing.T, path string) {
			must(t, os.RemoveAll(filepath.Dir(path)))
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			must(t, os.Mkdir(dir, 0o700))
			log, out, buf := fileLogger(t, dir)
			path := filepath.Join(dir, startName)
			log.Info("before")
			disturb(t, path)
			log.Info("after")
			if got := contents(t, path); !strings.Contains(got, "msg=after") || strings.Contains(got, "msg=before") {
				t.Errorf("the file says %q", got)
			}
			if !inUse(path) || strings.Contains(buf.String(), "cannot be written") {
				t.Errorf("in use: %t; %s", inUse(path), buf)
			}
			// The limit holds for what stands there now.
			out.closer.(*logFile).limit = int64(len(contents(t, path))) + 10
			log.Info("full")
			if got := contents(t, path+".1"); !strings.Contains(got, "msg=after") {
				t.Errorf("it was not rotated: %q", names(t, dir))
			}
		})
	}
}

// Without a line, too, a file is there at once.
func TestReopenMakesTheFileAtOnce(t *testing.T) {
	dir := t.TempDir()
	_, out, _ := fileLogger(t, dir)
	path := filepath.Join(dir, startName)
	must(t, os.Remove(path))
	out.Reopen()
	if got := contents(t, path); got != "" || out.Lost() != 0 {
		t.Errorf("%q, %d lost", got, out.Lost())
	}
	without, _, err := NewLogger(LogOptions{Writer: &bytes.Buffer{}})
	if err != nil || without == nil {
		t.Fatal(err)
	}
	(&Output{}).Reopen() // there is no file
}

// A directory that is gone costs the lines that nobody could read, and says so once.
func TestLogFileWithoutItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	must(t, os.Mkdir(dir, 0o700))
	log, out, buf := fileLogger(t, dir)
	must(t, os.RemoveAll(dir))
	log.Info("one")
	log.Info("two")
	if strings.Count(buf.String(), "log file cannot be written") != 1 || out.Lost() != 2 {
		t.Errorf("%d lost: %s", out.Lost(), buf)
	}
	must(t, os.Mkdir(dir, 0o700))
	log.Info("three")
	if got := contents(t, filepath.Join(dir, startName)); !strings.Contains(got, "lines=2") || !strings.Contains(got, "msg=three") {
		t.Errorf("the file says %q", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestartLoopLeavesABoundedNumberOfFiles: 50 starts one after the other leave ten and the last.
func TestRestartLoopLeavesABoundedNumberOfFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		now := noon().Add(time.Duration(i) * time.Second)
		_, closer, err := NewLogger(LogOptions{Writer: &bytes.Buffer{}, Dir: dir, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(names(t, dir)); got != keptStarts+1 {
		t.Errorf("%d files, want %d", got, keptStarts+1)
	}
}

// TestAFileInUseIsNotRemoved: a quiet client that has run for long keeps its file, however many
// others start beside it.
func TestAFileInUseIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	log, out, _ := fileLogger(t, dir)
	out.closer.(*logFile).limit = 200
	for i := range 10 {
		log.Info("before", "n", i)
	}
	for _, name := range names(t, dir) {
		long := time.Now().Add(-9999 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	for day := 1; day <= 12; day++ {
		makeOld(t, dir, fmt.Sprintf("shard_client.log.2020-01-%02d-00.00.00", day), 20-day)
	}
	other, err := openLogFile(dir, noon().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pruneLogFiles(dir, other.path), other.Close()); err != nil {
		t.Fatal(err)
	}
	log.Info("after")
	got := names(t, dir)
	if !slices.Contains(got, startName) || !slices.Contains(got, startName+".3") ||
		slices.Contains(got, "shard_client.log.2020-01-02-00.00.00") {
		t.Errorf("files %q", got)
	}
	if !strings.Contains(contents(t, filepath.Join(dir, startName)), "msg=after") {
		t.Error("the client's file was replaced")
	}
}
