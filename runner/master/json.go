package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

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
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	value, err := decodeValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the value")
	}
	return value, nil
}

func decodeValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return decodeObject(d)
	case '[':
		return decodeArray(d)
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil
}

func decodeObject(d *jsontext.Decoder) (any, error) {
	members := object{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		one := member{name: name.String()} // before the next read, which changes the token
		if one.value, err = decodeValue(d); err != nil {
			return nil, err
		}
		members = append(members, one)
	}
	_, err := d.ReadToken()
	return members, err
}

func decodeArray(d *jsontext.Decoder) (any, error) {
	items := []any{}
	for d.PeekKind() != ']' {
		item, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := d.ReadToken()
	return items, err
}
