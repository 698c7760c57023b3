package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
