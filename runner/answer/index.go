package answer

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxObjects bounds how many objects of a section are looked at: the place of each is remembered
// (P9). A first heartbeat with 100,000 jobs stays far below. Only tests change it.
var MaxObjects = 1 << 19

// Lenient lets an object with a broken string or a repeated name pass, so that it alone is set
// aside; each object is then read strictly.
var Lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// contents says where things stand in an answer. They are found in one pass, while it comes, in an
// order that nobody knows: Python's dictionaries have none.
type contents struct {
	Kind     jsontext.Kind    // of the whole
	Failure  *Value           // what stands as error; nil: nothing does
	Result   *Value           // nil: there is none
	Sections map[string]*List // of the result
}

// Value is a value of an answer.
type Value struct {
	Kind jsontext.Kind
	Place
}

// List is a section of a result, if Kind says that it is a list.
type List struct {
	Value
	Places []Place // of its elements
	More   bool    // it has more than MaxObjects
}

// Place says where in an answer a value stands.
type Place struct{ from, size int64 }

// Size returns how many bytes the value has.
func (p Place) Size() int64 { return p.size }

// index finds out what an answer holds. Its error is that of the JSON library.
func index(body io.Reader) (c contents, err error) {
	x := indexer{frame: &frame{from: body}}
	x.dec = jsontext.NewDecoder(x.frame, Lenient)
	c.Kind = x.dec.PeekKind()
	if c.Kind == '{' {
		err = Members(x.dec, func(name string) (err error) {
			switch name {
			case "result":
				c.Result, c.Sections, err = x.result()
			case "error":
				c.Failure, err = x.skip()
			default:
				err = x.dec.SkipValue()
			}
			return err
		})
	} else {
		err = x.dec.SkipValue()
	}
	if err != nil {
		return c, err
	}
	if _, err = x.dec.ReadToken(); err == nil {
		err = errors.New("something comes after the answer")
	} else if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return c, err
}

// Members calls f for each member of an object, with the name; f reads the value.
func Members(dec *jsontext.Decoder, f func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(name.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// indexer goes through an answer.
type indexer struct {
	frame *frame
	dec   *jsontext.Decoder
}

// result finds the sections of a result. Of two with one name the last one counts.
func (x *indexer) result() (*Value, map[string]*List, error) {
	if x.dec.PeekKind() != '{' {
		v, err := x.skip()
		return v, nil, err
	}
	sections := map[string]*List{}
	err := Members(x.dec, func(name string) (err error) {
		if sectionNames[name] {
			sections[name], err = x.section()
			return err
		}
		return x.dec.SkipValue()
	})
	return &Value{Kind: '{'}, sections, err
}

var sectionNames = map[string]bool{"hosts": true, "jobs": true, "suite_keyvals": true, "incorrect_host_ids": true}

// section finds the elements of a section, if it is a list. Those beyond MaxObjects are left out.
func (x *indexer) section() (*List, error) {
	if x.dec.PeekKind() != '[' {
		v, err := x.skip()
		return &List{Value: *v}, err
	}
	if _, err := x.dec.ReadToken(); err != nil {
		return nil, err
	}
	l := &List{Value: Value{Kind: '[', Place: Place{from: x.dec.InputOffset() - 1}}}
	for x.dec.PeekKind() != ']' {
		v, err := x.skip()
		if err != nil {
			return nil, err
		}
		if l.More = len(l.Places) == MaxObjects; !l.More {
			l.Places = append(l.Places, v.Place)
		}
	}
	_, err := x.dec.ReadToken()
	l.size = x.dec.InputOffset() - l.from
	return l, err
}

// skip reads over a value and returns where it stands.
func (x *indexer) skip() (*Value, error) {
	v := &Value{Kind: x.dec.PeekKind()}
	if v.Kind != '{' && v.Kind != '[' {
		text, err := x.dec.ReadValue()
		if err != nil {
			return v, err
		}
		end := x.dec.InputOffset()
		v.from = end - int64(len(text))
		x.dec.PeekKind() // so that wholeEnd knows
		v.size = x.frame.wholeEnd(end) - v.from
		return v, nil
	}
	for depth := x.dec.StackDepth(); ; {
		if _, err := x.dec.ReadToken(); err != nil {
			return v, err
		}
		if v.from == 0 {
			v.from = x.dec.InputOffset() - 1
		}
		if x.dec.StackDepth() <= depth {
			v.size = x.dec.InputOffset() - v.from
			return v, nil
		}
	}
}
