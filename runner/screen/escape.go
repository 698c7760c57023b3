package screen

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Escaped returns a text with the characters escaped that a terminal may obey, or that show a line
// in another order, as JSON escapes them: encoders leave them as they are. The escape character
// itself is in our own colours; encoders, and what shows texts from elsewhere, take it out.
func Escaped(text []byte) []byte {
	i := bytes.IndexFunc(text, obeyed)
	if i < 0 {
		return text
	}
	safe := bytes.Clone(text[:i])
	for _, r := range string(text[i:]) {
		if obeyed(r) {
			safe = fmt.Appendf(safe, `\u%04x`, r)
		} else {
			safe = utf8.AppendRune(safe, r)
		}
	}
	return safe
}

func obeyed(r rune) bool { return r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) }
