package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile is larger than any bundle of authorities. /dev/zero, named by mistake, must not fill the
// memory.
const maxFile = 16 << 20

// readFile reads a file that a setting names.
func readFile(flag, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(flag, path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	if err != nil {
		return nil, unreadable(flag, path, err)
	}
	return content, nil
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
