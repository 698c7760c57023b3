package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile is more than any bundle of authorities holds: /dev/zero, named by mistake, must not fill the memory.
const maxFile = 16 << 20

// readFile reads a file that a setting names.
func readFile(flag, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(flag, path, err)
	}
	defer file.Close()
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
	return &SettingError{flag, path, "it cannot be read: " + err.Error(), "give a file that this user can read"}
}

// ExposedFile is a file with a secret that others than its owner may read or write.
type ExposedFile struct {
	Setting string // what names it: a flag or a variable
	Path    string
	Mode    fs.FileMode
}

// ExposedFiles are those of the files with secrets that the settings name. One that cannot be looked at is left out:
// whoever needs it will say so.
//
// Files from systemd's LoadCredential are left out, too: their directory is closed to all others, and the right to read
// them that systemd gives to the unit's user shows as the group's.
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
