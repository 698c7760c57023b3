package afe

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
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
	// maxWord is how many bytes are kept of a word that is no value.
	maxWord = 60
)

// mender goes over an answer once. It does not parse: a text whose brackets, commas and colons are
// not those of JSON is still not JSON afterwards.
type mender struct {
	body  []byte
	cut   []byte // what has been mended
	kept  int    // up to here body is in cut
	depth int
	mends int
}

// mend returns the answer with everything replaced that is no value of JSON.
func mend(body []byte) []byte {
	m := &mender{body: body}
	for i := 0; i < len(body); {
		switch body[i] {
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
			return body
		}
	}
	return append(m.cut, body[m.kept:]...)
}

// replace puts a string in the place of body[from:to], unless that lies in a value that is too
// deep.
func (m *mender) replace(from, to int, what byte, text []byte) {
	if m.depth >= maxDepth && what != markDeep {
		return
	}
	m.cut = append(append(m.cut, m.body[m.kept:from]...), '"', mark, what)
	m.cut = append(append(m.cut, text...), '"')
	m.kept = to
	m.mends++
}

// text returns where the string ends that begins at from, and replaces it if it cannot be read.
func (m *mender) text(from int) (to int) {
	bad := false
	for to = from + 1; to < len(m.body) && m.body[to] != '"'; to++ {
		switch b := m.body[to]; {
		case b < ' ':
			bad = true
		case b == '\\' && to+1 < len(m.body):
			to++
			bad = bad || !bytes.ContainsRune([]byte(`"\/bfnrtu`), rune(m.body[to]))
		}
	}
	to = min(to+1, len(m.body))
	if bad {
		m.replace(from, to, markString, nil)
	}
	return to
}

// word returns where the word ends that begins at from, and replaces it if it is no value.
func (m *mender) word(from int) (to int) {
	to = len(m.body)
	if n := bytes.IndexAny(m.body[from:], " \t\r\n,:[]{}\""); n >= 0 {
		to = from + n
	}
	word := m.body[from:to]
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
	return bytes.Map(func(r rune) rune {
		if r < ' ' || r == '\\' || r > '~' {
			return '?'
		}
		return r
	}, word[:min(len(word), maxWord)])
}

// mended returns what was wrong with a text in which something was replaced, and in which field
// where the library's error says it; nil: nothing was replaced.
func mended(raw jsontext.Value, err error) error {
	_, after, _ := bytes.Cut(raw, []byte{'"', mark})
	if len(after) == 0 {
		return nil
	}
	var field jsontext.Pointer
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field = syntactic.JSONPointer
	} else if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		field = semantic.JSONPointer
	}
	switch after[0] {
	case markDeep:
		return fmt.Errorf("it is nested more than %d levels deep", maxDepth)
	case markString:
		return at(field, errors.New("a string with a control character, or with a backslash that escapes nothing"))
	case markWord:
		word, _, _ := bytes.Cut(after[1:], []byte{'"'})
		return at(field, fmt.Errorf("%s is not a value of JSON", word))
	}
	return nil
}

// unmended returns a text with its words as they came.
func unmended(raw jsontext.Value) jsontext.Value {
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
