package ops

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

const (
	// The names of log files, as in the original: shard_client.log.2019-03-15-11.30.15, in local
	// time.
	logFilePrefix = "shard_client.log."
	logFileTime   = "2006-01-02-15.04.05"
	freshSuffix   = ".new"

	// keptStarts is how many earlier starts keep their files.
	keptStarts = 10
)

// logFileName matches the names that logFile makes, and no other. Its group is the name of the
// first file of the start.
var logFileName = regexp.MustCompile(
	`^(shard_client\.log\.\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d(?:-\d\d?)?)(?:\.\d|\.new)?$`)

// pruneLogFiles removes the files of starts that are over, but for the keptStarts that were written
// to last. It never removes those of current, the path of this start's file. The original made a
// new file with every restart until the disk was full (docs/promises.md, "full disk").
//
// The time of the last line counts, not the name, and a locked file stays: the file of a client
// that has run for a month has an old name, and eleven runs of `once` must not remove it.
func pruneLogFiles(dir, current string) error {
	starts, err := logFilesByStart(dir)
	if err != nil {
		return err
	}
	delete(starts, filepath.Base(current))
	var over [][]fs.FileInfo
	for name, files := range starts {
		if !inUse(filepath.Join(dir, name)) {
			over = append(over, files)
		}
	}
	slices.SortFunc(over, func(a, b []fs.FileInfo) int { return lastWrite(b).Compare(lastWrite(a)) })
	var errs []error
	for _, files := range over[min(len(over), keptStarts):] {
		for _, file := range files {
			// Another start may be pruning as well.
			if err := os.Remove(filepath.Join(dir, file.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// logFilesByStart lists the log files in dir, grouped by the name of their start.
func logFilesByStart(dir string) (map[string][]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	starts := map[string][]fs.FileInfo{}
	for _, entry := range entries {
		match := logFileName.FindStringSubmatch(entry.Name())
		if match == nil || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		starts[match[1]] = append(starts[match[1]], info)
	}
	return starts, nil
}

// lastWrite returns when the newest of the files was written to.
func lastWrite(files []fs.FileInfo) time.Time {
	var last time.Time
	for _, file := range files {
		if t := file.ModTime(); t.After(last) {
			last = t
		}
	}
	return last
}

// inUse reports whether a process holds the lock of a log file, and so writes to it.
func inUse(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was not written to
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
