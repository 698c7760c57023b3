package objects

import (
	"bytes"
	"hash/maphash"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// quick reads objects as masters write them, in half the time that the tokens of the JSON library
// need (docs/decisions/0084-less-to-do-for-an-answer.md). At anything that is not as it should be
// it gives up, and the strict way decides what the object is, or says what is wrong with it. Both
// read the same from any object that quick reads; FuzzQuick checks that.
type quick struct {
	text   jsontext.Value // nil: it gave up
	at     int            // where in the text the next byte stands
	begins bool           // an object or list was entered, and nothing of it read yet
	open   []int          // for each object and list that was entered: how many names there were before
	names  [][]byte       // that no field of ours has
	plain  []byte         // the last string that has escapes, without them
	known  [256]string    // short strings, because most of them come again and again
	read   reader         // of all objects; nil: of none so far
}

// What is beyond these is read strictly, or kept for no other object.
const (
	maxOpen  = 16       // objects and lists in each other
	maxNames = 64       // of an object, that no field of ours has
	maxKnown = 48       // bytes of a short string
	maxPlain = 64 << 10 // bytes of a string
	maxRoom  = 64       // elements of a list
)

// seed says where a string stands in quick.known.
var seed = maphash.MakeSeed()

// quickly reads an object, and reports whether it could. If not, the object is empty.
func quickly[T any](q *quick, text jsontext.Value, object *T) bool {
	if q.read == nil {
		q.read = readerOf(reflect.TypeFor[T]())
	}
	q.text, q.at, q.open, q.names = text, 0, q.open[:0], q.names[:0]
	if !utf8.Valid(text) {
		q.fail()
	}
	q.read(q, reflect.ValueOf(object).Elem())
	q.next()
	read := q.text != nil && q.at == len(text)
	if !read {
		*object = *new(T)
	}
	if q.text = nil; cap(q.plain) > maxPlain {
		q.plain = nil
	}
	clear(q.names)
	return read
}

// fail gives up: nothing comes next.
func (q *quick) fail() { q.text, q.at = nil, 0 }

// next returns the next byte that is no white space; 0: there is none.
func (q *quick) next() byte {
	for ; q.at < len(q.text); q.at++ {
		if b := q.text[q.at]; b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b
		}
	}
	return 0
}

// take reads a byte.
func (q *quick) take(b byte) {
	if q.next() != b {
		q.fail()
		return
	}
	q.at++
}

// has reads a word, if that comes next.
func (q *quick) has(word string) bool {
	q.next()
	has := bytes.HasPrefix(q.text[q.at:], []byte(word))
	if has {
		q.at += len(word)
	}
	return has
}

// enter reads the bracket at the beginning of an object or list.
func (q *quick) enter(bracket byte) {
	if q.take(bracket); len(q.open) == maxOpen {
		q.fail()
	}
	q.open, q.begins = append(q.open, len(q.names)), true
}

// more reports whether another name or element comes before the bracket at the end, which it reads.
func (q *quick) more(end byte) bool {
	b, begins := q.next(), q.begins
	switch q.begins = false; {
	case b == end:
		q.at++
		last := len(q.open) - 1
		clear(q.names[q.open[last]:]) // each is a part of a text, which would stay
		q.names, q.open = q.names[:q.open[last]], q.open[:last]
		return false
	case b == ',' && !begins:
		q.at++
	case b == 0 || !begins:
		q.fail()
	}
	return q.text != nil
}

// name reads a name. It can be written in one way only.
func (q *quick) name() []byte {
	name, escaped := q.quoted()
	if escaped {
		q.fail()
	}
	return name
}

// unwanted reads over the value of a name that no field of ours has. No two may be the same.
func (q *quick) unwanted(name []byte) {
	before := q.names[q.open[len(q.open)-1]:]
	if len(before) == maxNames || slices.ContainsFunc(before, func(b []byte) bool { return bytes.Equal(b, name) }) {
		q.fail()
	}
	q.names = append(q.names, name)
	q.take(':')
	q.skip()
}

// skip reads over a value.
func (q *quick) skip() {
	switch q.next() {
	case '{':
		for q.enter('{'); q.more('}'); {
			q.unwanted(q.name())
		}
	case '[':
		for q.enter('['); q.more(']'); {
			q.skip()
		}
	case '"':
		q.string()
	case 't', 'f':
		q.flag()
	default:
		word := q.text[q.at:]
		if end := bytes.IndexAny(word, " \t\r\n,]}"); end >= 0 {
			word = word[:end]
		}
		if q.at += len(word); !word.IsValid() {
			q.fail()
		}
	}
}

// quoted reads a string, and returns what stands between its quotes.
func (q *quick) quoted() (text []byte, escaped bool) {
	q.take('"')
	rest := q.text[q.at:]
	for i := 0; i < len(rest); i++ {
		switch b := rest[i]; {
		case b > '\\': // nearly all
		case b == '"':
			q.at += i + 1
			return rest[:i], escaped
		case b == '\\':
			escaped = true
			i++
		case b < ' ':
			rest = nil
		}
	}
	q.fail()
	return nil, false
}

func (q *quick) string() string {
	text, escaped := q.quoted()
	if escaped {
		var err error
		q.plain, err = jsontext.AppendUnquote(q.plain[:0], q.text[q.at-len(text)-2:q.at])
		if text = q.plain; err != nil || bytes.IndexByte(text, 0) >= 0 {
			q.fail()
		}
	}
	if len(text) == 0 || len(text) > maxKnown {
		return string(text)
	}
	known := &q.known[maphash.Bytes(seed, text)%uint64(len(q.known))]
	if *known != string(text) {
		*known = string(text)
	}
	return *known
}

// whole reads a number that is small enough to become no other one on the way.
func (q *quick) whole() (n int64) {
	negative := q.has("-")
	from := q.at
	for ; q.at < len(q.text) && '0' <= q.text[q.at] && q.text[q.at] <= '9'; q.at++ {
		n = 10*n + int64(q.text[q.at]-'0')
	}
	if digits := q.at - from; digits == 0 || digits > 18 || digits > 1 && q.text[from] == '0' {
		q.fail()
	}
	if negative {
		n = -n
	}
	return n
}

func (q *quick) flag() bool {
	switch {
	case q.has("false"), q.has("0"):
		return false
	case !q.has("true") && !q.has("1"):
		q.fail()
	}
	return true
}

func (q *quick) time() Time {
	t, err := ParseTime(q.string())
	if err != nil {
		q.fail()
	}
	return Time{t}
}
