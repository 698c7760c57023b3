package afe

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Maybe is a field that may be left out, which on this wire is not the same as
// null: left out means "keep what is there".
type Maybe[T any] struct {
	Value T
	Sent  bool
}

// Sent is a field that is not left out.
func Sent[T any](value T) Maybe[T] { return Maybe[T]{Value: value, Sent: true} }

// OrNil is nil when the field was left out.
func (m Maybe[T]) OrNil() *T {
	if !m.Sent {
		return nil
	}
	return &m.Value
}

// MarshalJSONTo writes the value; a field with omitzero is left out when not sent.
func (m Maybe[T]) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, m.Value)
}

// UnmarshalJSONFrom reads the value and remembers that it was there.
func (m *Maybe[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	m.Sent = true
	return json.UnmarshalDecode(dec, &m.Value)
}
