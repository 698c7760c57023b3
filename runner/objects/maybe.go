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

// Sent returns a field that is not left out.
func Sent[T any](value T) Maybe[T] { return Maybe[T]{Value: value, Sent: true} }

// OrNil returns a pointer to the value, or nil when the field was left out.
func (m Maybe[T]) OrNil() *T {
	if !m.Sent {
		return nil
	}
	return &m.Value
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
