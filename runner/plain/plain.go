// Package plain makes printable text out of text from outside: a page of HTML, a traceback, a
// reason with a NUL in it, the name of a host; and it knows ASCII. It imports no other package of
// ours and knows nothing of what a text means.
//
// Take secrets out (secrets.Secrets) before a text is cut here: half a secret would not be
// recognised.
package plain

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one printable line of about limit bytes at most. Runs of white space become one
// blank; a character that cannot be printed, and a byte that is not UTF-8, becomes a question mark.
// Three dots show that something was cut off: what Line itself adds is ASCII, so that a database of
// any encoding can hold it.
func Line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return '?'
		}
		return r
	}, cut(s, 2*limit, "..."))
	return cut(strings.Join(strings.Fields(s), " "), limit, "...")
}

// Quote returns the beginning of s in double quotes, escaped as in Go: enough to recognise a value.
func Quote(s string) string { return fmt.Sprintf("%q", Cut(s, quoted)) }

// quoted is how many bytes Quote shows.
const quoted = 60

// Cut returns s, or its first limit bytes and an ellipsis where it is longer; a few bytes fewer
// where the cut would split a UTF-8 sequence.
func Cut(s string, limit int) string { return cut(s, limit, "…") }

func cut(s string, limit int, mark string) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit] + mark
}

// IsASCII reports whether a text is all ASCII. It looks at eight bytes at a time.
func IsASCII(text []byte) bool {
	const high = utf8.RuneSelf * 0x0101010101010101
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&high != 0 {
			return false
		}
	}
	return !slices.ContainsFunc(text, func(c byte) bool { return c >= utf8.RuneSelf })
}
