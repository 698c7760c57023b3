package answer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// An answer that is not JSON is mended as far as that harms only the objects at fault (P6): each
// value that the JSON library cannot read is replaced by a string that begins with mark. It is not
// UTF-8, so it passes as raw text, and an object that holds it cannot be used. The next byte says
// what was replaced.
const (
	mark       = 0xFF
	markWord   = 'w' // a word that is no value, as it came: Python's json writes NaN and Infinity
	markString = 's' // a string with a control character, or with a backslash that escapes nothing
	markDeep   = 'd' // a value nested deeper than maxDepth
)

// maxDepth is how deep a value may be nested. The library takes 10,000 levels.
const maxDepth = 9000

const (
	// maxMends bounds by how much an answer grows while it is mended (P9). One with more faults
	// stays as it is, and cannot be read.
	maxMends = 1 << 19
	// maxWord is how many bytes are kept of a word that is no value; dots stand for the others.
	maxWord = 60
)

// mender goes over an answer once. It does not parse: a text whose brackets, commas and colons are
// not those of JSON is still not JSON afterwards.
type mender struct {
	body  Window
	size  int64
	cut   *spool // what has been mended
	kept  int64  // up to here body is in cut
	depth int
	mends int
	err   error // of reading or writing
}

// errTooManyMends says that an answer was left as it is.
var errTooManyMends = errors.New("more values that are not JSON than are mended")

// mend writes the answer to another place, with everything replaced that is no value of JSON.
func mend(body, cut *spool) error {
	m := &mender{body: Window{body: body}, size: body.size, cut: cut}
	for i := int64(0); i < m.size && m.err == nil; {
		switch m.at(i) {
		case '"':
			i = m.text(i)
		case '[', '{':
			if m.depth++; m.depth == maxDepth {
				m.replace(i, i, markDeep, nil)
			}
			i++
		case ']', '}':
			i++
			if m.depth--; m.depth == maxDepth-1 {
				m.kept = i
			}
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			i = m.word(i)
		}
		if m.mends > maxMends {
			return errTooManyMends
		}
	}
	m.keep(m.size)
	return m.err
}

// at returns a byte of the answer.
func (m *mender) at(i int64) byte {
	if w := &m.body; i >= w.from && i < w.from+int64(len(w.text)) {
		return w.text[i-w.from]
	}
	return m.read(i)
}

func (m *mender) read(i int64) byte {
	if m.err != nil {
		return ' '
	}
	if s := m.body.body; s.file == nil {
		m.body.text = s.memory.Bytes()
		return m.body.text[i]
	}
	text, err := m.body.at(i, 1)
	if m.err = err; err != nil {
		return ' '
	}
	return text[0]
}

// keep copies the answer as it came, up to a place.
func (m *mender) keep(to int64) {
	for m.err == nil && m.kept < to {
		size := int(min(to-m.kept, windowBytes))
		text, err := m.body.at(m.kept, size)
		if err == nil {
			_, err = m.cut.Write(text)
		}
		m.err = err
		m.kept += int64(size)
	}
	m.kept = to
}

// replace puts a string in the place of a part of the answer, unless that lies in a value that is
// too deep.
func (m *mender) replace(from, to int64, what byte, text []byte) {
	if m.depth >= maxDepth && what != markDeep {
		return
	}
	m.keep(from)
	if m.err == nil {
		_, m.err = m.cut.Write(slices.Concat([]byte{'"', mark, what}, text, []byte{'"'}))
	}
	m.kept = to
	m.mends++
}

// text returns where the string ends that begins at from, and replaces it if it cannot be read.
func (m *mender) text(from int64) (to int64) {
	bad := false
	for to = from + 1; to < m.size && m.at(to) != '"'; to++ {
		switch b := m.at(to); {
		case b < ' ':
			bad = true
		case b == '\\' && to+1 < m.size:
			to++
			bad = bad || !bytes.ContainsRune([]byte(`"\/bfnrtu`), rune(m.at(to)))
		}
	}
	to = min(to+1, m.size)
	if bad {
		m.replace(from, to, markString, nil)
	}
	return to
}

// word returns where the word ends that begins at from, and replaces it if it is no value. Of a
// long one only the beginning is looked at: it passes for a number if that is one.
func (m *mender) word(from int64) (to int64) {
	var word []byte
	for to = from; to < m.size && !ends[m.at(to)]; to++ {
		if len(word) < MaxToken {
			word = append(word, m.at(to))
		}
	}
	if !isValue(word) {
		m.replace(from, to, markWord, printable(word))
	}
	return to
}

// isValue reports whether a word is a value. Most words of an answer are small numbers, so the
// library is asked about the others only.
func isValue(word []byte) bool {
	switch first := word[0]; {
	case first >= '1' && first <= '9' && len(bytes.Trim(word, "0123456789")) == 0:
		return true
	case first == '-' || first >= '0' && first <= '9':
		return jsontext.Value(word).IsValid()
	default:
		return string(word) == "null" || string(word) == "true" || string(word) == "false"
	}
}

// printable returns the beginning of a word as it may stand in a string of JSON.
func printable(word []byte) []byte {
	text := bytes.Map(func(r rune) rune {
		if r < ' ' || r == '\\' || r > '~' {
			return '?'
		}
		return r
	}, word[:min(len(word), maxWord)])
	if len(word) > maxWord {
		text = append(text, "..."...)
	}
	return text
}

// Replaced returns what was wrong with a text in which something was replaced; nil: nothing was.
// ofField reports whether that is the fault of the field in which it stands.
func Replaced(text jsontext.Value) (wrong error, ofField bool) {
	_, after, _ := bytes.Cut(text, []byte{'"', mark})
	if len(after) == 0 {
		return nil, false
	}
	switch after[0] {
	case markDeep:
		return fmt.Errorf("it is nested more than %d levels deep", maxDepth), false
	case markString:
		return errors.New("a string with a control character, or with a backslash that escapes nothing"), true
	case markWord:
		word, _, _ := bytes.Cut(after[1:], []byte{'"'})
		return fmt.Errorf("%s is not a value of JSON", word), true
	}
	return nil, false
}

// Restored returns a text with its words as they came.
func Restored(raw jsontext.Value) jsontext.Value {
	var as jsontext.Value
	for {
		before, after, found := bytes.Cut(raw, []byte{'"', mark, markWord})
		as = append(as, before...)
		if !found {
			return as
		}
		word, rest, _ := bytes.Cut(after, []byte{'"'})
		as, raw = append(as, word...), rest
	}
}
