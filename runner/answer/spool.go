package answer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxInMemory is how much of an answer is kept in memory, in bytes; a longer one goes into a file.
// An answer without news has 100 bytes, a shard's first one with 100 hosts and 1,000 jobs 1.5 MB.
// Only tests change it.
var MaxInMemory = 2 << 20

// spool holds a body while it is read, in memory or in a file that has no name any more: whatever
// ends the process, nothing is left behind.
type spool struct {
	dir    string       // of the file
	memory bytes.Buffer // it doubles; a slice of a megabyte grows by a quarter
	file   *os.File     // nil: all is in memory
	size   int64
}

// SpoolError says why an answer could not be kept on disk while it was read.
type SpoolError struct {
	Dir string // the directory of the file
	Err error
}

func (e *SpoolError) Error() string {
	return fmt.Sprintf("keep the answer on disk: %v; make room in %s, or name another directory with --spool-dir", e.Err, e.Dir)
}

func (e *SpoolError) Unwrap() error { return e.Err }

// Write appends to the body. Its error is a [*SpoolError].
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(p) <= MaxInMemory {
		s.size += int64(len(p))
		return s.memory.Write(p)
	}
	if err := s.toFile(); err != nil {
		return 0, err
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, &SpoolError{s.dir, err}
	}
	return n, nil
}

// toFile moves the body into a file, if it is not there yet.
func (s *spool) toFile() error {
	if s.file != nil {
		return nil
	}
	if s.dir == "" {
		s.dir = os.TempDir()
	}
	file, err := os.CreateTemp(s.dir, "shard-client-answer-")
	if err != nil {
		return &SpoolError{s.dir, err}
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = file.Write(s.memory.Bytes())
	}
	if err != nil {
		return &SpoolError{s.dir, errors.Join(err, file.Close())}
	}
	s.file, s.memory = file, bytes.Buffer{}
	return nil
}

// ReadAt returns an error that is io.EOF or a [*SpoolError].
func (s *spool) ReadAt(p []byte, from int64) (n int, err error) {
	if s.file == nil {
		n = copy(p, s.memory.Bytes()[min(from, s.size):])
		if n < len(p) {
			err = io.EOF
		}
		return n, err
	}
	n, err = s.file.ReadAt(p, from)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &SpoolError{s.dir, err}
	}
	return n, err
}

// readAt fills p.
func (s *spool) readAt(p []byte, from int64) error {
	n, err := s.ReadAt(p, from)
	if n == len(p) {
		return nil
	}
	return cmp.Or(err, errClosed)
}

var errClosed = errors.New("read an answer after it was closed")

// reader reads the body from a place on.
func (s *spool) reader(from int64) io.Reader { return io.NewSectionReader(s, from, s.size-from) }

// close gives back disk and memory. Nothing can be read any more.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // what was wanted of it has been read
	}
	*s = spool{dir: s.dir}
}

// Window reads an answer piece by piece. Pieces that stand close to each other are read together.
type Window struct {
	body *spool
	from int64
	text []byte
}

const windowBytes = 256 << 10

// Text returns a whole value. It stays valid until the next call.
func (w *Window) Text(p Place) (jsontext.Value, error) { return w.at(p.from, int(p.size)) }

// at returns part of the body. It stays valid until the next call.
func (w *Window) at(from int64, size int) ([]byte, error) {
	if w.body.file == nil && from+int64(size) <= int64(w.body.memory.Len()) {
		return w.body.memory.Bytes()[from : from+int64(size)], nil
	} else if w.body.file == nil {
		return nil, errClosed
	}
	if from < w.from || from+int64(size) > w.from+int64(len(w.text)) {
		want := int(min(max(int64(size), windowBytes), w.body.size-from))
		if cap(w.text) < want || cap(w.text) > windowBytes {
			w.text = make([]byte, max(want, windowBytes))
		}
		w.from, w.text = from, w.text[:want]
		if err := w.body.readAt(w.text, from); err != nil {
			w.text = nil
			return nil, err
		}
	}
	return w.text[from-w.from:][:size], nil
}
