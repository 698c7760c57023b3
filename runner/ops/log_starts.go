package ops

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
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

// logFileName matches the names that logFile makes, and no other. Its groups are the name of the
// first file of the start, the time in it, and which start of that second it was.
var logFileName = regexp.MustCompile(
	`^(shard_client\.log\.(\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d)(?:-(\d\d?))?)(?:\.\d|\.new)?$`)

// logStart is a start that has log files.
type logStart struct {
	name string // of its first file
	time string // in the name
	nth  string // start of that second; "": the first
	all  []string
}

// compare orders starts from the oldest to the newest. It goes by the names, because the times of
// files say when they were copied or cut. A name that lies in the future of this start was given
// before the clock was set back, so it is older than the names of today.
func (s *logStart) compare(other *logStart, now string) int {
	past := func(s *logStart) int {
		if s.time > now {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(past(s), past(other)),
		cmp.Compare(s.time, other.time),
		cmp.Compare(len(s.nth), len(other.nth)),
		cmp.Compare(s.nth, other.nth),
	)
}

// pruneLogFiles removes the files of starts that are over, but for the keptStarts newest. It never
// removes those of current, the path of this start's file. The original made a new file with every
// restart until the disk was full (docs/promises.md, "full disk").
//
// A locked file stays: the file of a client that has run for a month has an old name, and eleven
// runs of `once` must not remove it.
func pruneLogFiles(dir, current string) error {
	starts, err := logStarts(dir)
	if err != nil {
		return err
	}
	current = filepath.Base(current)
	now := logFileName.FindStringSubmatch(current)[2]
	over := slices.DeleteFunc(starts, func(s *logStart) bool {
		return s.name == current || inUse(filepath.Join(dir, s.name))
	})
	slices.SortFunc(over, func(a, b *logStart) int { return b.compare(a, now) })
	var errs []error
	for _, start := range over[min(len(over), keptStarts):] {
		for _, file := range start.all {
			// Another start may be pruning as well.
			if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// logStarts lists the starts that have log files in dir.
func logStarts(dir string) (starts []*logStart, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	known := map[string]*logStart{}
	for _, entry := range entries {
		match := logFileName.FindStringSubmatch(entry.Name())
		if match == nil || !entry.Type().IsRegular() {
			continue
		}
		start := known[match[1]]
		if start == nil {
			start = &logStart{name: match[1], time: match[2], nth: match[3]}
			known[start.name] = start
			starts = append(starts, start)
		}
		start.all = append(start.all, entry.Name())
	}
	return starts, nil
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
