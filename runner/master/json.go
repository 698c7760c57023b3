package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/runner/plain"
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

// packet is a request as it came.
type packet struct {
	body  []byte
	text  string // the same
	ascii bool
}

func newPacket(body []byte) *packet { return &packet{body, string(body), plain.IsASCII(body)} }

// decode reads one JSON value, and fails when anything follows it. Bytes that are not valid UTF-8
// become U+FFFD, which is outside ASCII like themselves. A value is nil, a bool, a json.Number, a
// string, a []any or an object.
func (p *packet) decode() (any, error) {
	d := p.decoder()
	value, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("data after the value")
	}
	return value, nil
}

func (p *packet) decoder() *decoder {
	return &decoder{
		// The decoder reads a bytes.Buffer where it is.
		Decoder: jsontext.NewDecoder(bytes.NewBuffer(p.body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		packet:  p, names: map[string]string{},
	}
}

// decoder collects what it reads of the objects and lists that are not at their end yet. Each of
// these is copied when its size is known: to let 2,000 lists grow takes longer than to read what is
// in them. Numbers, and strings without escapes, are parts of the whole text.
type decoder struct {
	*jsontext.Decoder
	packet  *packet
	names   map[string]string // of members, as they were sent
	members []member
	items   []any
}

func (d *decoder) value() (any, error) {
	switch d.PeekKind() {
	case '"':
		sent, err := d.sent()
		if err != nil {
			return nil, err
		}
		return d.unquote(sent), nil
	case '0':
		sent, err := d.sent()
		return json.Number(sent), err
	}
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return d.object()
	case '[':
		return d.list()
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil
}

// sent returns a string or a number as it was sent.
func (d *decoder) sent() (string, error) {
	value, err := d.ReadValue()
	end := int(d.InputOffset())
	return d.packet.text[end-len(value) : end], err
}

// unquote returns what a string means that was sent.
func (d *decoder) unquote(sent string) string {
	if d.packet.ascii && strings.IndexByte(sent, '\\') < 0 {
		return sent[1 : len(sent)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, sent) // the decoder has read it already
	return string(text)
}

// name returns the name of a member. There are few, and they are compared faster with themselves.
func (d *decoder) name() (string, error) {
	sent, err := d.sent()
	if err != nil {
		return "", err
	}
	name, known := d.names[sent]
	if !known {
		name = d.unquote(sent)
		d.names[sent] = name
	}
	return name, nil
}

func (d *decoder) object() (any, error) {
	begin := len(d.members)
	for d.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return nil, err
		}
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

// isPlain reports whether no string in the request can hold anything outside ASCII.
func (p *packet) isPlain() bool { return p.ascii && !strings.Contains(p.text, `\u`) }
