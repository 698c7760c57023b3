// Package answer keeps the body of an answer while it is read, in memory or on disk, and knows
// where in it the objects stand (docs/decisions/0051-an-answer-stays-on-disk.md). It knows the
// envelope of JSON-RPC and the names of the sections; what an object means is for package objects.
package answer

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Answer is the body of an answer, and where in it things stand. Nothing of it is found if it is
// not JSON; Unreadable then says why. An answer with values that are no JSON is mended as far as
// that goes.
type Answer struct {
	contents
	Unreadable error // the first error in what came; nil: it is JSON
	Mended     bool  // it can be read all the same: something was replaced
	Size       int64 // of what came, in bytes

	body *spool
	head []byte
}

// maxHead is how much is kept of the beginning as it came, in bytes.
const maxHead = 512

// Read takes an answer in and finds out what it holds. The body is read to its end, whatever it
// holds; size is how long its sender says that it is, or less than 1; dir is the directory for what
// is too long for memory, or empty for the system's. The error is that of the body, or a
// [*SpoolError].
func Read(body io.Reader, size int64, dir string) (*Answer, error) {
	a := &Answer{body: &spool{dir: dir}}
	if size > 0 { // so that it need not grow: half of the time went into that
		a.body.memory = *bytes.NewBuffer(make([]byte, 0, min(size, int64(MaxInMemory))))
	}
	source := &source{from: body, to: a.body}
	var unreadable error
	a.contents, unreadable = index(bufio.NewReaderSize(source, readAhead))
	if source.err == nil {
		_, _ = io.Copy(io.Discard, source) // source keeps the error
	}
	a.Size, a.head = a.body.size, make([]byte, min(maxHead, a.body.size))
	err := source.err
	if err == nil {
		err = a.body.readAt(a.head, 0)
	}
	if err == nil && unreadable != nil {
		err = a.mend(unreadable)
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// readAhead is how much of an answer is asked for at once, in bytes.
const readAhead = 64 << 10

// source keeps what is read, and its first error.
type source struct {
	from io.Reader
	to   io.Writer
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = cmp.Or(s.err, err)
	}
	if _, failed := s.to.Write(p[:n]); failed != nil {
		s.err = cmp.Or(s.err, failed)
		return n, failed
	}
	return n, err
}

// mend replaces the body by one in which every value can be read. If there is no such body, the
// answer holds nothing.
func (a *Answer) mend(unreadable error) error {
	// The first error that the library finds says where it stands.
	a.Unreadable = cmp.Or(json.UnmarshalRead(Framed(a.body.reader(0)), &struct{}{}, Lenient), unreadable)
	mended := &spool{dir: a.body.dir}
	err := mend(a.body, mended)
	if err == nil {
		a.contents, err = index(mended.reader(0))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(a.Unreadable, io.ErrUnexpectedEOF) {
		a.Unreadable = fmt.Errorf("it ends early, %w; before that, %w", Explain(err), Explain(a.Unreadable))
	}
	if a.Mended = err == nil; a.Mended {
		mended, a.body = a.body, mended
	} else {
		a.contents = contents{}
	}
	mended.close()
	if errors.As(err, new(*SpoolError)) {
		return err
	}
	return nil
}

// Text returns the beginning of a value, at most so many bytes of it.
func (a *Answer) Text(p Place, most int64) (jsontext.Value, error) {
	text := make([]byte, min(p.size, most))
	return text, a.body.readAt(text, p.from)
}

// Reader returns a reader of a value.
func (a *Answer) Reader(p Place) io.Reader { return io.NewSectionReader(a.body, p.from, p.size) }

// Head returns the first 512 bytes as they came.
func (a *Answer) Head() string { return string(a.head) }

// Close gives back the memory or disk that holds the answer. Nothing can be read any more.
func (a *Answer) Close() { a.body.close() }

// NewWindow returns a window on an answer.
func (a *Answer) NewWindow() *Window { return &Window{body: a.body} }
