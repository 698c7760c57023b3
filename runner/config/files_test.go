package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe hands over what is written into it, whether the writer comes before the reader or after
// it; one that nobody writes to, or that does not end, is told and not waited for.
func TestPipesAreReadWithinBounds(t *testing.T) {
	t.Parallel()
	pipe := func(t *testing.T) (path string, write func(text string) *os.File) {
		path = filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path, func(text string) *os.File {
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString(text); err != nil {
				t.Error(err)
			}
			return file
		}
	}
	open := func(path string) *os.File {
		file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		return file
	}
	path, write := pipe(t)
	reader := open(path)
	_ = write("s3cret\n").Close()
	if text, err := readUntil(reader, time.Now().Add(time.Hour)); err != nil || string(text) != "s3cret\n" {
		t.Errorf("%q, %v", text, err)
	}
	path, write = pipe(t)
	if _, err := readUntil(open(path), time.Now()); err == nil || !strings.Contains(err.Error(), "it is no file, and whoever writes to it") {
		t.Errorf("a pipe without a writer: %v", err)
	}
	never := write("s3cret")
	defer func() { _ = never.Close() }()
	if _, err := readUntil(open(path), time.Now().Add(time.Millisecond)); err == nil || !strings.Contains(err.Error(), "did not finish within") {
		t.Errorf("a pipe that does not end: %v", err)
	}
	for _, path := range []string{t.TempDir(), "/dev/zero"} {
		if _, err := readFile("ca-file", path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

// What comes through a descriptor comes once, and is asked for by each connection.
func TestADescriptorIsReadOnce(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if _, err := writer.WriteString("s3cret\n"); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	c := &Config{DatabasePasswordFile: fmt.Sprintf("/dev/fd/%d", reader.Fd())}
	for range 2 {
		if password, err := c.DatabasePassword(); err != nil || password != "s3cret" {
			t.Errorf("%q, %v", password, err)
		}
	}
}

// The driver would wait for ever at a pipe that it takes for a file of its own.
func TestFilesOfTheDriverAreFiles(t *testing.T) {
	for _, tt := range []struct{ url, variable, want string }{
		{"postgres://h/d?sslrootcert=" + t.TempDir(), "", "sslrootcert (PGSSLROOTCERT) names something that is no file"},
		{"postgres://h/d", t.TempDir(), "passfile (PGPASSFILE) names"},
		{"postgres://h/d", os.DevNull, ""},
		{"postgres://h/d?sslrootcert=system", "/nowhere", ""},
	} {
		t.Setenv("PGPASSFILE", tt.variable)
		err := DatabaseURL(tt.url).checkFiles()
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
