package plain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"as it is":              {"it works", 60, "it works"},
		"nothing":               {"", 60, ""},
		"a page":                {"<html>\r\n\t<p>  502\n</html>\n", 60, "<html> <p> 502 </html>"},
		"NUL and escape":        {"a\x00b\x1b[31mc", 60, "a?b?[31mc"},
		"broken UTF-8":          {"a\xffb", 60, "a?b"},
		"another direction":     {"a\u202eb", 60, "a?b"},
		"too long":              {strings.Repeat("ab ", 10), 8, "ab ab ab..."},
		"cut within a sequence": {"aä", 2, "a..."},
	} {
		if got := Line(c.text, c.limit); got != c.want {
			t.Errorf("%s: Line(%q, %d) = %q, want %q", name, c.text, c.limit, got, c.want)
		}
	}
}

func TestQuoteShowsTheBeginning(t *testing.T) {
	t.Parallel()
	if got := Quote("a\nb"); got != `"a\nb"` {
		t.Errorf("Quote = %s", got)
	}
	if got := Quote(strings.Repeat("x", 1000)); len(got) > quoted+10 || !strings.HasSuffix(got, `…"`) {
		t.Errorf("Quote of a long text = %s", got)
	}
}

// Any text becomes one valid line that is not longer than asked for.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "a", "a\x00\xff\n", "ä€😀", strings.Repeat("\xa0", 300), "\u2028x"} {
		f.Add(seed, 10)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		line := Line(text, limit)
		switch {
		case strings.ContainsAny(line, "\n\r\x00"):
			t.Errorf("%q is not one line", line)
		case !utf8.ValidString(line):
			t.Errorf("%q is not UTF-8", line)
		case len(line) > limit+len("…"):
			t.Errorf("%q has %d bytes, limit %d", line, len(line), limit)
		}
	})
}

// A character outside ASCII is found wherever it stands among the eight bytes looked at together.
func TestIsASCII(t *testing.T) {
	t.Parallel()
	text := []byte("\x00 every byte up to \x7f")
	if !IsASCII(nil) || !IsASCII(text) {
		t.Error("ASCII is not seen as such")
	}
	for i := range text {
		other := append([]byte{}, text...)
		for _, other[i] = range []byte{0x80, 0xc3, 0xff} {
			if IsASCII(other) {
				t.Errorf("%q is seen as ASCII", other)
			}
		}
	}
}
