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
	// maxFile is the size in bytes at which a log file is rotated.
	maxFile = 100 << 20
	// keptRotated is how many full files of a start are kept.
	keptRotated = 3
	// sameSecond is how many starts within one second find a name of their own.
	sameSecond = 99
)

// logFile is the log file of one start: what stands at its path. When a line would make it larger
// than limit, it becomes NAME.1, NAME.1 becomes NAME.2, and so on up to keptRotated. It is not safe
// for concurrent use.
//
// It does not use lumberjack, whose goroutine goes on after Close and whose names for full files
// hide the start to which they belong.
type logFile struct {
	path  string
	limit int64
	file  *os.File
	size  int64
}

// openLogFile makes the log file of a start in dir. As in the original, it is named after the time
// of the start: shard_client.log.2006-01-02-15.04.05.
func openLogFile(dir string, start time.Time) (*logFile, error) {
	path, file, err := createLogFile(dir, start)
	if err != nil {
		if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("cannot make a log file in directory %q: %w: "+
			"create the directory, make it writable for this user, or name another with --log-dir", dir, err)
	}
	return &logFile{path: path, limit: maxFile, file: file}, nil
}

// createLogFile makes a new file and never shares one: two starts within a second would rotate each
// other's lines away.
func createLogFile(dir string, start time.Time) (string, *os.File, error) {
	base := filepath.Join(dir, logFilePrefix+start.Format(logFileTime))
	path := base
	for n := 2; ; n++ {
		file, err := openLocked(path, os.O_EXCL)
		if !errors.Is(err, fs.ErrExist) || n > sameSecond {
			return path, file, err
		}
		path = base + "-" + strconv.Itoa(n)
	}
}

// openLocked opens a file, makes it where it is missing, and locks it for as long as it is open, so
// that pruning knows it is in use.
func openLocked(path string, more int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|more, 0o644)
	if err != nil {
		return nil, err
	}
	// On a file system without locks the file merely looks unused.
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_SH)
	return file, nil
}

// Write appends a line. When a full file cannot be rotated, the line is refused, so that the limit
// holds; the next line tries again.
func (l *logFile) Write(line []byte) (int, error) {
	if err := l.follow(); err != nil {
		return 0, fmt.Errorf("reopen log file: %w", err)
	}
	if l.size > 0 && l.size+int64(len(line)) > l.limit {
		if err := l.rotate(); err != nil {
			return 0, fmt.Errorf("rotate log file: %w", err)
		}
	}
	if len(line) == 0 {
		return 0, nil
	}
	return l.file.Write(line)
}

// follow makes sure that the open file is the one that stands at the path, and notes its size.
// logrotate moves a log file away, people delete it to free the disk, or cut it: whoever goes on
// writing to the old one is not read by anybody.
func (l *logFile) follow() error {
	at, err := os.Stat(l.path)
	if err == nil {
		var ours fs.FileInfo
		if ours, err = l.file.Stat(); err == nil && os.SameFile(at, ours) {
			l.size = at.Size()
			return nil
		}
	}
	file, err := openLocked(l.path, 0)
	if err != nil {
		return err
	}
	old := l.file
	l.file, l.size = file, 0
	if at, err = file.Stat(); err == nil {
		l.size = at.Size()
	}
	_ = old.Close() // what was written to it is there
	return nil
}

// Close closes the file, which also unlocks it.
func (l *logFile) Close() error { return l.file.Close() }

// rotate makes the new file before it moves the old ones. On a full disk, attempt after attempt
// would otherwise move the old files on until the last lines were gone.
func (l *logFile) rotate() error {
	fresh := l.path + freshSuffix
	_ = os.Remove(fresh)
	file, err := openLocked(fresh, os.O_EXCL)
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
