package afe

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shardclient/runner/answer"
	"shardclient/runner/objects"
)

// Place says where in an answer an object stands.
type Place = answer.Place

// Section is a list of a response. Its objects stay in the text of the answer until they are asked
// for, so that an answer of any size takes little memory (P9). The zero value is one that the
// response does not have.
type Section[T any] struct {
	answer *answer.Answer
	places []Place
	window *answer.Window
	reader objects.Reader[T]
}

// Found reports whether the response has this section, and it is a list. An empty one is found.
func (s *Section[T]) Found() bool { return s.answer != nil }

// Len returns how many objects the section has, good and bad.
func (s *Section[T]) Len() int { return len(s.places) }

// Place says where an object stands; the first is 0.
func (s *Section[T]) Place(i int) Place { return s.places[i] }

// Read reads an object. An error is one of the disk that the answer is kept on.
func (s *Section[T]) Read(i int) (*objects.Received[T], error) {
	p := s.places[i]
	if p.Size() > objects.MaxBytes {
		return objects.TooLarge[T](p.Size(), s.answer.Reader(p)), nil
	}
	if s.window == nil {
		s.window = s.answer.NewWindow()
	}
	text, err := s.window.Text(p)
	if err != nil {
		return nil, err
	}
	return s.reader.Read(text), nil
}

// Fork returns the same section, to be read by somebody else at the same time.
func (s *Section[T]) Fork() *Section[T] {
	return &Section[T]{answer: s.answer, places: s.places}
}

// Text returns the beginning of what stands at a place, as it came, at most so many bytes of it.
func (r *Response) Text(p Place, most int64) (jsontext.Value, error) {
	text, err := r.answer.Text(p, most)
	if err == nil && r.answer.Mended {
		text = answer.Restored(text)
	}
	return text, err
}

// Close gives back the memory or disk that holds the answer. No object can be read any more.
func (r *Response) Close() {
	if r.answer != nil {
		r.answer.Close()
	}
}

// Parse reads an answer that has come whole, such as one that was recorded. An [*Error] says why it
// is none.
func Parse(body []byte) (*Response, error) {
	return receive(bytes.NewReader(body), int64(len(body)), "")
}

// receive takes an answer in and reads the JSON-RPC envelope. An error of the body or of the disk
// is returned as it is, one of the answer itself as an [*Error].
func receive(body io.Reader, size int64, dir string) (*Response, error) {
	a, err := answer.Read(body, size, dir)
	if err != nil {
		return nil, err
	}
	r, err := open(a)
	if err != nil {
		a.Close()
		return nil, err
	}
	return r, nil
}

// open reads the envelope, and what the result holds. If the text is no JSON even where that could
// be mended, the first error in it says most.
func open(a *answer.Answer) (*Response, error) {
	unreadable := a.Unreadable
	if unreadable != nil {
		unreadable = answer.Explain(unreadable)
	}
	if a.Failure != nil && a.Failure.Kind != 'n' {
		return nil, rpcError(a)
	}
	var err error
	switch {
	case a.Size == 0:
		err = errors.New("nothing came")
	case unreadable != nil && !a.Mended:
		err = unreadable
	case a.Kind != '{' && a.Kind != 'n':
		err = cmp.Or(unreadable, fmt.Errorf("cannot use %s here", answer.KindName(a.Kind)))
	case a.Result == nil:
		err = cmp.Or(unreadable, errors.New("it has neither result nor error"))
	case a.Result.Kind != '{':
		err = cmp.Or(unreadable, fmt.Errorf("result is %s, want an object", answer.KindName(a.Result.Kind)))
	case len(a.Sections) == 0:
		err = cmp.Or(unreadable, errors.New("result has no section of a heartbeat's"))
	default:
		return response(a), nil
	}
	return nil, &Error{Class: Undecodable, Body: a.Head(), Err: err}
}

// rpcError returns the exception that the master raised.
func rpcError(a *answer.Answer) error {
	text, err := a.Text(a.Failure.Place, objects.MaxBytes)
	if err != nil {
		return err
	}
	rpc := &RPCError{}
	if err := json.Unmarshal(text, rpc, answer.Lenient); err != nil || rpc.Name == "" {
		rpc.Name, rpc.Message = "unnamed error", string(text)
	}
	return &Error{Class: RPC, RPC: rpc}
}

// response returns what the result holds.
func response(a *answer.Answer) *Response {
	r := &Response{answer: a}
	r.Hosts = section[objects.Host](r, "hosts")
	r.Jobs = section[objects.Job](r, "jobs")
	r.SuiteKeyvals = section[objects.Keyval](r, "suite_keyvals")
	r.IncorrectHosts = section[int64](r, "incorrect_host_ids")
	return r
}

// section finds a section. One that is absent or not a list makes the response incomplete, but for
// incorrect_host_ids, which a master of 2015 does not send. Objects beyond maxObjects are only
// noted, because the master sends them again.
func section[T any](r *Response, name string) (s Section[T]) {
	list := r.answer.Sections[name]
	switch {
	case list == nil && name == "incorrect_host_ids":
	case list == nil:
		r.Incomplete = cmp.Or(r.Incomplete, fmt.Errorf("incomplete answer: %s is missing", name))
	case list.Kind != '[':
		err := fmt.Errorf("%s is %s, want a list", name, answer.KindName(list.Kind))
		if text, failed := r.answer.Text(list.Place, maxErrorBody); failed == nil && list.Kind == '"' {
			if wrong, _ := answer.Replaced(text); wrong != nil {
				err = fmt.Errorf("%s: %w, want a list", name, wrong)
			}
		}
		r.malformed(name, list.Place, err)
		r.Incomplete = cmp.Or(r.Incomplete, fmt.Errorf("incomplete answer: %w", err))
	default:
		s = Section[T]{answer: r.answer, places: list.Places}
		if list.More {
			r.malformed(name, list.Place, fmt.Errorf("%s has more than %d objects; the rest is left out", name, answer.MaxObjects))
		}
	}
	return s
}

// malformed notes a part of the answer that does not follow the protocol.
func (r *Response) malformed(section string, p Place, err error) {
	r.Malformed = append(r.Malformed, Malformed{section, p, err})
}
