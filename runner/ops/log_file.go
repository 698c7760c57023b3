package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// maxFile is the size at which a log file is rotated, in bytes, and keptRotated how many full ones of a start stay.
	maxFile     = 100 << 20
	keptRotated = 3

	// sameSecond is how many starts within one second find a name of their own.
	sameSecond = 99
)

// logFile is the log file of one start. When a line would make it larger than limit, it becomes NAME.1, NAME.1 becomes
// NAME.2, and so on up to keptRotated. It is no user of lumberjack, whose goroutine stays when the logger is closed and
// whose names for full files hide which start they belong to. It is not safe for concurrent use.
type logFile struct {
	path  string
	limit int64
	file  *os.File
	size  int64
}

// openLogFile starts a log file in dir, named shard_client.log.2006-01-02-15.04.05 after the time of the start as the
// original's.
func openLogFile(dir string, start time.Time) (*logFile, error) {
	path, file, err := createLogFile(dir, start)
	if err != nil {
		if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("cannot make a log file in directory %q: %w: create the directory, make it writable for this user, or name another with --log-dir", dir, err)
	}
	return &logFile{path: path, limit: maxFile, file: file}, nil
}

// createLogFile makes a new file, never a shared one: two starts in a second would rotate each other's lines away.
func createLogFile(dir string, start time.Time) (string, *os.File, error) {
	base := filepath.Join(dir, logFilePrefix+start.Format(logFileTime))
	path := base
	for n := 2; ; n++ {
		file, err := createLocked(path)
		if !errors.Is(err, fs.ErrExist) || n > sameSecond {
			return path, file, err
		}
		path = base + "-" + strconv.Itoa(n)
	}
}

// createLocked makes a file and locks it for as long as it is open, so that pruning knows it is in use.
func createLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	// A file system without locks is no reason not to log: such a file merely looks unused.
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_SH)
	return file, nil
}

// Write appends a line. When a full file cannot be rotated, the line is refused, so that the limit holds; the next one
// tries again.
func (l *logFile) Write(line []byte) (int, error) {
	if l.size > 0 && l.size+int64(len(line)) > l.limit {
		if err := l.rotate(); err != nil {
			return 0, fmt.Errorf("rotate log file: %w", err)
		}
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return n, err
}

// Close closes the file, which also unlocks it.
func (l *logFile) Close() error { return l.file.Close() }

// rotate makes the new file before it moves the old ones: on a full disk, repeated attempts would otherwise push all that
// was logged out of the last place.
func (l *logFile) rotate() error {
	fresh := l.path + freshSuffix
	_ = os.Remove(fresh)
	file, err := createLocked(fresh)
	if err != nil {
		return err
	}
	moves := []string{fresh, l.path}
	for n := 1; n <= keptRotated; n++ {
		moves = append(moves, l.path+"."+strconv.Itoa(n))
	}
	for i := len(moves) - 1; i > 0; i-- {
		if err := os.Rename(moves[i-1], moves[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, file.Close())
		}
	}
	old := l.file
	l.file, l.size = file, 0
	return old.Close()
}
