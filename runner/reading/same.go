package reading

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// SameJSON reports whether two objects have the same value: a copy may have its keys in another
// order, as Python 2 dictionaries do. Integers are compared as they are written: ids past 2^53 would
// become the same floating point number.
func SameJSON(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a.Clone(), b.Clone()
	exact := jsontext.CanonicalizeRawInts(false)
	return a.Canonicalize(exact) == nil && b.Canonicalize(exact) == nil && bytes.Equal(a, b)
}
