package ops

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// maxKey is the length in bytes to which keys are cut.
const maxKey = 64

// shorten returns a slog.HandlerOptions.ReplaceAttr that takes secrets out, and cuts keys and every
// value whose text is longer than limit. slog calls it for the message too, but not for the names
// of groups.
func (o *Output) shorten(limit int) func([]string, slog.Attr) slog.Attr {
	redact := o.redact
	if redact == nil {
		redact = func(text string) string { return text }
	}
	return func(_ []string, a slog.Attr) slog.Attr {
		a.Key = cutText(a.Key, maxKey)
		switch a.Value.Kind() {
		case slog.KindString:
			a.Value = slog.StringValue(cutText(redact(a.Value.String()), limit))
		case slog.KindAny:
			v := a.Value.Any()
			if err, ok := v.(error); ok {
				// Errors always become text: slog would print some with their stack, others as JSON
				// objects.
				a.Value = slog.StringValue(cutText(redact(o.errorText(err)), limit))
				return a
			}
			whole := printed(o.format, v)
			if text := redact(whole); text != whole || len(text) > limit {
				a.Value = slog.StringValue(cutText(text, limit))
			}
		}
		return a
	}
}

// cutText cuts s to at most limit bytes, between two characters, and appends how long it was.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	// A character has at most four bytes. Beyond that the text is not UTF-8, and any place will do.
	for end > limit-utf8.UTFMax && end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s…(%d bytes)", strings.ToValidUTF8(s[:end], "\uFFFD"), len(s))
}

// errorText returns the text of an error without its secrets. A method of the error that panics
// must not end the process.
func (o *Output) errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprint(err) // which says that it panics
		}
	}()
	if o.redactError == nil {
		return fmt.Sprint(err)
	}
	return o.redactError(err)
}

// printed returns the text that slog's handler of the format makes of a value without a built-in
// kind. A method of the value that panics must not end the process.
func printed(format string, v any) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	if format == "json" {
		return printedJSON(v)
	}
	if m, ok := v.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprintf("%+v", v)
}

func printedJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
