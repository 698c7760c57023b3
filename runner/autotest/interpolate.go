package autotest

import (
	"regexp"
	"strings"
)

// deepest is how often a value may name another one that names another one.
const deepest = 10

var reference = regexp.MustCompile(`%\([^)]*\)s`)

// interpolate puts values in place of their names, and reports false when one is not there. Without
// a name, a value stays as it is, percent signs and all.
func (f *File) interpolate(name string, e entry) (text string, known bool, err error) {
	text, err = e.Text, e.broken
	for range deepest {
		if err != nil || !strings.Contains(text, "%(") {
			return text, true, err
		}
		text = reference.ReplaceAllStringFunc(text, lower)
		if text, known, err = f.format(name, text); err != nil {
			return "", false, &Error{e.Path, e.Line, err.Error()}
		} else if !known {
			return "", false, nil
		}
	}
	return text, !strings.Contains(text, "%("), nil
}

type formatError string

func (e formatError) Error() string { return string(e) }

const malformed = formatError("where a value has %(, each % must begin %(name)s or %%")

// format is Python's `text % values`, for what people put into such files. Numbers, widths, and %s
// without a name are errors: for the last one, Python prints the whole section.
func (f *File) format(name, text string) (string, bool, error) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "%")
		b.WriteString(plain)
		if !found {
			return b.String(), true, nil
		}
		// Python takes a width, even of a percent sign.
		if literal, ok := strings.CutPrefix(strings.TrimLeft(rest, "-+ #0123456789.hlL"), "%"); ok {
			b.WriteByte('%')
			text = literal
			continue
		}
		key, rest, ok := nameIn(rest)
		if !ok {
			return "", false, malformed
		}
		value, ok := f.find(f.sections[name], key)
		switch {
		case key == "__name__" && !ok:
			value.Text = name
		case !ok:
			return "", false, nil
		case value.broken != nil:
			return "", false, formatError("it names " + key + ", which cannot be used: " + value.broken.Error())
		}
		if text, ok = strings.CutPrefix(rest, "s"); !ok {
			return "", false, malformed
		}
		b.WriteString(value.Text)
	}
}

// nameIn cuts "(name)" off; a name may have parentheses that match.
func nameIn(text string) (name, rest string, ok bool) {
	open := 0
	for i, r := range text {
		switch r {
		case '(':
			open++
		case ')':
			open--
		}
		if open == 0 {
			return strings.TrimPrefix(text[:i], "("), text[i+1:], i > 0
		}
	}
	return "", "", false
}
