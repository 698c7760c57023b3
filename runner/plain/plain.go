// Package plain makes printable text out of what came from outside: a page of HTML, a traceback, a
// reason with a NUL in it, the name of a host.
//
// It knows nobody of ours and nothing of what the text means. Secrets are taken out before a text is
// cut (config.Secrets), so that no half of one is left.
package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one printable line of about limit bytes at most. Runs of white space become one
// blank; what cannot be printed, and what is not UTF-8, becomes a question mark.
func Line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return '?'
		}
		return r
	}, Cut(s, 2*limit))
	return Cut(strings.Join(strings.Fields(s), " "), limit)
}

// Quote returns the beginning of s in double quotes, escaped as in Go: enough to recognise a value.
func Quote(s string) string { return fmt.Sprintf("%q", Cut(s, quoted)) }

// quoted is how many bytes Quote shows.
const quoted = 60

// Cut returns the first limit bytes of s, or a few fewer so that no UTF-8 sequence is split, and an
// ellipsis where something is missing.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit] + "…"
}
