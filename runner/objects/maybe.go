package objects

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Maybe is a field that may be left out. On this wire that is not the same as null: left out means
// "keep the value that is there".
type Maybe[T any] struct {
	Value T
	Sent  bool
}

// MarshalJSONTo writes the value. A field whose tag says omitzero is left out when it was not sent.
func (m Maybe[T]) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, m.Value)
}

// UnmarshalJSONFrom reads the value and remembers that it was there.
func (m *Maybe[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	m.Sent = true
	return json.UnmarshalDecode(dec, &m.Value)
}
