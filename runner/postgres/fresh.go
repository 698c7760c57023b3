package postgres

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SharedVariable names the directory of a server that all packages of a run of tests share, for
// [Visit].
const SharedVariable = "SHARD_TEST_POSTGRES"

const (
	// freshName is what initdb has made for a server that shares it, beside that server's data.
	freshName = "fresh"

	// freshNote says of what programs that is, and its password, a line each.
	freshNote = "fresh.txt"
)

// SharedDirectory is where a run of tests has its server; "": it has none. It is not asked for with
// os.Getenv, because go test repeats no old result when such a variable has another value: that of
// this one says nothing about results.
func SharedDirectory() string {
	for _, entry := range os.Environ() {
		if path, ok := strings.CutPrefix(entry, SharedVariable+"="); ok {
			return path
		}
	}
	return ""
}

// keepFresh keeps the new data directory for others, who find it by the server's Directory.
func (s *Server) keepFresh() error {
	if err := s.copyData(s.DataDir(), filepath.Join(s.dir.path, freshName)); err != nil {
		return err
	}
	return s.writeSecret(filepath.Join(s.dir.path, freshNote), s.binaries.dir+"\n"+s.password)
}

// takeFresh fills the data directory as initdb would, and reports whether it could: initdb takes
// 0.4 CPU seconds, the copy a tenth of that, and a run of tests starts dozens of servers. A server
// that must be durable has an initdb of its own, and so has one of other programs.
func (s *Server) takeFresh() (bool, error) {
	shared := SharedDirectory()
	if shared == "" || s.options.Durable || s.options.Share {
		return false, nil
	}
	note, err := os.ReadFile(filepath.Join(shared, freshNote))
	if err != nil {
		return false, nil // the run is over, or began without one
	}
	programs, password, _ := strings.Cut(strings.TrimSpace(string(note)), "\n")
	if programs != s.binaries.dir {
		return false, nil
	}
	s.password = password
	return true, s.copyData(filepath.Join(shared, freshName), s.DataDir())
}

// copyData copies a data directory that no server works in. The copy belongs to the account.
func (s *Server) copyData(from, to string) error { return s.copyFiles(from, to, nil) }

// copyFiles is copyData for a directory with a server at work, where files may go meanwhile, when
// it is told which names, relative to from, are not to be copied.
func (s *Server) copyFiles(from, to string, left func(name string) bool) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		var name string
		if err == nil {
			name, err = filepath.Rel(from, path)
		}
		target := filepath.Join(to, name)
		switch {
		case err != nil:
		case left != nil && left(name):
			return skip(entry)
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		default:
			err = copyFile(path, target)
		}
		if left != nil && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !s.account.switches {
			return err
		}
		return os.Chown(target, s.account.uid, s.account.gid)
	})
	if err != nil {
		return fmt.Errorf("copy data directory: %w", err)
	}
	return nil
}

// skip goes past an entry and all below it.
func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
