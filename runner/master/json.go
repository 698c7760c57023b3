package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object, in the order in which it was sent. A name may come twice; then the last
// member counts, as in Python. A map would cost more than all the rest of reading a record.
type object []member

type member struct {
	name  string
	value any
}

func (o object) get(name string) (value any, sent bool) {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].name == name {
			return o[i].value, true
		}
	}
	return nil, false
}

func (o object) asMap() map[string]any {
	members := make(map[string]any, len(o))
	for _, m := range o {
		members[m.name] = m.value
	}
	return members
}

// decode reads one JSON value, and fails when anything follows it. Bytes that are not valid UTF-8
// become U+FFFD, which is outside ASCII like themselves. A value is nil, a bool, a json.Number, a
// string, a []any or an object.
func decode(body []byte) (any, error) {
	// The decoder reads a bytes.Buffer where it is.
	d := &decoder{jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), nil, nil}
	value, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("data after the value")
	}
	return value, nil
}

// decoder collects what it reads of the objects and lists that are not at their end yet. Each of
// these is copied when its size is known: to let 2,000 lists grow takes longer than to read what is
// in them.
type decoder struct {
	*jsontext.Decoder
	members []member
	items   []any
}

func (d *decoder) value() (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return d.object()
	case '[':
		return d.list()
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil
}

func (d *decoder) object() (any, error) {
	begin := len(d.members)
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String() // before the next read, which changes the token
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		d.members = append(d.members, member{name, value})
	}
	o := append(object{}, d.members[begin:]...)
	d.members = d.members[:begin]
	_, err := d.ReadToken()
	return o, err
}

func (d *decoder) list() (any, error) {
	begin := len(d.items)
	for d.PeekKind() != ']' {
		item, err := d.value()
		if err != nil {
			return nil, err
		}
		d.items = append(d.items, item)
	}
	items := append([]any{}, d.items[begin:]...)
	d.items = d.items[:begin]
	_, err := d.ReadToken()
	return items, err
}

// isPlain reports whether no string in a JSON text can hold anything outside ASCII.
func isPlain(body []byte) bool {
	for _, c := range body {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return !bytes.Contains(body, []byte(`\u`))
}
