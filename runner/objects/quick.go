package objects

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// quick reads objects as masters write them, in half the time that reflection takes. At anything
// that is not as it should be it gives up, and the strict way decides what the object is, or says
// what is wrong with it. Both read the same from any object that quick reads; FuzzQuick checks
// that.
type quick struct {
	dec    jsontext.Decoder
	failed bool
}

// quickly reads an object, and reports whether it could. If not, the object is as it was.
func quickly[T any](q *quick, text jsontext.Value, object *T) bool {
	q.dec.Reset(bytes.NewBuffer(text))
	q.failed = false
	var read T
	switch o := any(&read).(type) {
	case *Host:
		*o = newHost()
		q.host(o)
	case *Job:
		*o = newJob()
		q.job(o)
	case *Keyval:
		*o = newKeyval()
		q.keyval(o)
	case *int64:
		*o = q.whole()
	}
	if q.failed || !q.ended() {
		return false
	}
	*object = read
	return true
}

// ended reports whether nothing follows.
func (q *quick) ended() bool {
	_, err := q.dec.ReadToken()
	return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// value returns the next value or name as it is written, if it is of one of the given kinds.
func (q *quick) value(kinds ...jsontext.Kind) jsontext.Value {
	if q.failed {
		return nil
	}
	v, err := q.dec.ReadValue()
	if err == nil {
		kind := v.Kind()
		for _, k := range kinds {
			if k == kind {
				return v
			}
		}
	}
	q.failed = true
	return nil
}

// enter reads the bracket at the beginning of an object or list.
func (q *quick) enter(kind jsontext.Kind) {
	if q.failed || q.dec.PeekKind() != kind {
		q.failed = true
		return
	}
	_, err := q.dec.ReadToken()
	q.failed = err != nil
}

// next reports whether another name or element comes before the bracket at the end, which it reads.
func (q *quick) next(end jsontext.Kind) bool {
	if q.failed {
		return false
	}
	if q.dec.PeekKind() != end {
		return true
	}
	_, err := q.dec.ReadToken()
	q.failed = err != nil
	return false
}

func (q *quick) name() jsontext.Value {
	v := q.value('"')
	q.failed = q.failed || bytes.IndexByte(v, '\\') >= 0 // the same name may be written in many ways
	return v
}

func (q *quick) skip() { q.failed = q.failed || q.dec.SkipValue() != nil }

// null reads a null, and reports whether there was one.
func (q *quick) null() bool { return !q.failed && q.dec.PeekKind() == 'n' && q.value('n') != nil }

func (q *quick) text() string {
	v := q.value('"')
	if q.failed {
		return ""
	}
	if plain := v[1 : len(v)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	unquoted, err := jsontext.AppendUnquote(nil, v)
	q.failed = err != nil || bytes.IndexByte(unquoted, 0) >= 0
	return string(unquoted)
}

func (q *quick) whole() int64 {
	v := q.value('0')
	if q.failed {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	q.failed = err != nil
	return n
}

func (q *quick) small() int32 {
	n := q.whole()
	q.failed = q.failed || n < math.MinInt32 || n > math.MaxInt32
	return int32(n)
}

func (q *quick) flag() bool {
	switch v := q.value('t', 'f', '0'); string(v) {
	case "true", "1":
		return true
	case "false", "0":
	default:
		q.failed = true
	}
	return false
}

func (q *quick) time() (t Time) {
	s := q.text()
	if !q.failed {
		parsed, err := ParseTime(s)
		t.Time, q.failed = parsed, err != nil
	}
	return t
}

// orNull reads a value that may be null.
func orNull[T any](q *quick, read func() T) *T {
	if q.null() {
		return nil
	}
	v := read()
	return &v
}

// listOf reads a list of objects on top of their defaults.
func listOf[T any](q *quick, defaults func() T, read func(*T)) []T {
	all := []T{}
	for q.enter('['); q.next(']'); {
		if len(all) == maxNested {
			q.failed = true
			break
		}
		all = append(all, defaults())
		read(&all[len(all)-1])
	}
	return all
}
