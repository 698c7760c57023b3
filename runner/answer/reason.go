package answer

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shardclient/runner/plain"
)

// KindName says what kind of value there is.
func KindName(kind jsontext.Kind) string {
	return cmp.Or(kindNames[kind], "nothing readable")
}

var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "a boolean", 'f': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "a list",
}

// Explain turns a decoding error into a sentence that starts with the field.
func Explain(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		cause := cmp.Or(semantic.Err, fmt.Errorf("cannot use %s here", KindName(semantic.JSONKind)))
		if errors.Is(cause, strconv.ErrSyntax) {
			cause = errors.New("want a whole number")
		}
		if len(semantic.JSONValue) > 0 {
			cause = fmt.Errorf("%s: %w", plain.Cut(string(semantic.JSONValue), 60), cause)
		}
		return At(semantic.JSONPointer, cause)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return At(syntactic.JSONPointer, syntactic.Err)
	}
	return err
}

// At puts the field before the cause, written as an operator would: hostqueueentry_set[2].status.
func At(pointer jsontext.Pointer, cause error) error {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if strings.Trim(token, "0123456789") == "" {
			fmt.Fprintf(&path, "[%s]", token)
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(plain.Cut(token, 60))
	}
	if path.Len() == 0 {
		return cause
	}
	return fmt.Errorf("%s: %w", plain.Cut(path.String(), 200), cause)
}
