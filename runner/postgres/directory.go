package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// directoryPrefix marks our directories in the temporary directory.
	directoryPrefix = "shard-pg-"

	// longestBase leaves room for "/shard-pg-1234567890/.s.PGSQL.65535" in the path of a socket,
	// which may be 103 bytes long on macOS and 107 on Linux.
	longestBase = 103 - len("/"+directoryPrefix+"1234567890/.s.PGSQL.65535")

	// memoryBase is Linux's directory in memory. In many containers it holds only 64 MB.
	memoryBase = "/dev/shm"

	// enoughMemory is how much room a server must find in memory to live there: 40 MB for itself, 9
	// MB for each database that a test uses, and all that the tests store.
	enoughMemory = 4 << 30

	// youngestAbandoned protects a directory between its creation and its lock.
	youngestAbandoned = time.Minute
)

// directory is the private home of one server: data, socket and log, readable by the server's user
// only. A lock on it shows other processes that its owner is alive; the kernel drops the lock,
// however the owner ends.
type directory struct {
	path string
	lock *os.File
}

// newDirectory makes a locked directory that belongs to the account.
func newDirectory(base string, owner account) (*directory, error) {
	path, err := os.MkdirTemp(base, directoryPrefix) // mode 0700
	if err != nil {
		return nil, fmt.Errorf("create directory: %w", err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	d := &directory{path: path, lock: lock}
	if owner.switches {
		if err := os.Chown(path, owner.uid, owner.gid); err != nil {
			return nil, errors.Join(fmt.Errorf("hand directory to %s: %w", owner.name, err), d.remove())
		}
	}
	return d, nil
}

// dataDir returns where the server keeps its data.
func (d *directory) dataDir() string { return filepath.Join(d.path, "data") }

// remove deletes the directory while it is still locked, to keep other processes from finding half
// of it, and what a server that was killed has left outside it.
func (d *directory) remove() error {
	if err := errors.Join(removeSegment(d.dataDir()), os.RemoveAll(d.path), d.lock.Close()); err != nil {
		return fmt.Errorf("remove directory: %w", err)
	}
	return nil
}

// lockDirectory fails when another living process holds the lock. The file closes on exec: a child
// never inherits it.
func lockDirectory(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock directory %s: %w", path, err), file.Close())
	}
	return file, nil
}

// removeAbandoned deletes the directories that killed processes left behind. One that cannot be
// removed does not keep the server from starting; it is only reported.
func removeAbandoned(base string, owner account, log *slog.Logger) {
	// Glob fails on malformed patterns only.
	candidates, _ := filepath.Glob(filepath.Join(base, directoryPrefix+"*"))
	for _, path := range candidates {
		if !mayBeAbandoned(path, owner) {
			continue
		}
		lock, err := lockDirectory(path)
		if err != nil {
			continue // its owner lives, or another starter is removing it
		}
		abandoned := directory{path: path, lock: lock}
		if err := abandoned.remove(); err != nil {
			log.Warn("abandoned PostgreSQL directory not removed", "directory", path, "error", err)
		}
	}
}

// mayBeAbandoned reports whether a path may be a directory that we left behind. It rules out
// another user's directory, and a link that somebody planted in a directory open to all.
func mayBeAbandoned(path string, owner account) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || time.Since(info.ModTime()) < youngestAbandoned {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == owner.uid
}

// base returns the directory in which to make a server's own. A server that need not be durable
// gets memory, unless TMPDIR is set or this process may not write there: in some containers the
// directory in memory belongs to root. Any other server gets the temporary directory, or /tmp when
// the path of the temporary directory is too long for a socket or closed to the server's user, as a
// TMPDIR below /root is.
//
// The point of memory is not that disks are slow. When ext4 creates a file it searches past the
// inodes of recently deleted ones, so servers and databases that come and go by the hundred slow
// down their successors: on ext4, cloning and dropping a database took 300 ms after a few dozen; in
// memory it takes 16 ms, however often.
func base(memory string, durable bool, owner account) string {
	if !durable && os.Getenv("TMPDIR") == "" && roomIn(memory) >= enoughMemory && writable(memory, owner) {
		return memory
	}
	temporary := os.TempDir()
	if len(temporary) > longestBase || owner.switches && !openToAll(temporary) {
		return "/tmp"
	}
	return temporary
}

// writable reports whether a server's directory can be made in path. Root makes it on behalf of an
// account that only has to pass through path; any other account makes its own and must be able to
// write there.
func writable(path string, owner account) bool {
	if owner.switches {
		return openToAll(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	const writeAndPass = 0o3
	allowed := info.Mode().Perm()
	switch {
	case !ok:
		return false
	case int(stat.Uid) == owner.uid:
		allowed >>= 6
	case int(stat.Gid) == owner.gid:
		allowed >>= 3
	}
	return allowed&writeAndPass == writeAndPass
}

// openToAll reports whether every user may pass through the directory and all those above it.
func openToAll(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}
