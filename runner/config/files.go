package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxFile is larger than any bundle of authorities. /dev/zero, named by mistake, must not fill the
// memory.
const maxFile = 16 << 20

// pipePatience is how long whoever writes into a pipe may take.
const pipePatience = 5 * time.Second

// pipes has what came out of /dev/stdin, or of the /dev/fd/63 of a shell's <(...), in which people
// hand over secrets: there is no second time.
var pipes sync.Map

// readFile reads a file that a setting names.
func readFile(flag, path string) ([]byte, error) {
	if content, ok := pipes.Load(path); ok {
		return content.([]byte), nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to would block
	if err != nil {
		return nil, unreadable(flag, path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := readUntil(file, time.Now().Add(pipePatience))
	if err != nil {
		return nil, unreadable(flag, path, err)
	}
	if strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") {
		pipes.Store(path, content)
	}
	return content, nil
}

// readUntil reads all that comes from a file, or from a pipe or terminal until a time. A pipe to
// which nobody writes yet is at its end, too.
func readUntil(file *os.File, end time.Time) (content []byte, err error) {
	_ = file.SetReadDeadline(end) // a file on a disk has none, and needs none
	for {
		content, err = io.ReadAll(io.LimitReader(file, maxFile+1))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), err == nil && len(content) == 0 && time.Now().After(end):
			return nil, fmt.Errorf("it is no file, and whoever writes to it did not finish within %v", pipePatience)
		case len(content) > maxFile:
			return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
		case err != nil || len(content) > 0 || !isPipe(file.Name()):
			return content, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func isPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

func unreadable(flag, path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // it repeats the path
	}
	return &SettingError{
		Flag: flag, Value: path, Cause: "it cannot be read: " + err.Error(),
		Hint: "give a file that this user can read",
	}
}

// ExposedFile is a file with a secret that users other than its owner may read or write.
type ExposedFile struct {
	Setting string // the flag, with dashes, or the variable that names the file
	Path    string
	Mode    fs.FileMode // the permission bits
}

// ExposedFiles returns the files with secrets that the settings name and that are open to other
// users. A file that cannot be looked at is left out: it fails where it is needed.
//
// Files from systemd's LoadCredential are left out too: their directory is closed to other users,
// and the right to read them, which systemd gives to the unit's user, looks like a right of the
// group.
func (c *Config) ExposedFiles() []ExposedFile {
	var exposed []ExposedFile
	for _, file := range []ExposedFile{
		{Setting: "--database-password-file", Path: c.DatabasePasswordFile},
		{Setting: "--client-key", Path: c.ClientKey},
		{Setting: "PGPASSFILE", Path: c.DatabaseURL.passfile()},
	} {
		info, err := os.Stat(file.Path)
		if err != nil || isCredential(file.Path) {
			continue
		}
		if file.Mode = info.Mode().Perm(); file.Mode&0o077 != 0 {
			exposed = append(exposed, file)
		}
	}
	return exposed
}

func isCredential(path string) bool {
	directory := os.Getenv("CREDENTIALS_DIRECTORY")
	return directory != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(directory)
}
