package objects

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"shardclient/runner/answer"
	"shardclient/runner/plain"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// missing and missingID fill a required field before it is decoded. Neither is ever a good value:
// PostgreSQL cannot store a NUL, and ids are positive.
const (
	missing   = "\x00"
	missingID = math.MinInt64
)

// MaxBytes bounds one object (P9). It is the default of --max-upload-bytes: a job that is
// larger would arrive only to be too large for its upload. Only tests change it.
var MaxBytes int64 = 16 << 20

// maxNested bounds the lists within one object, such as the entries of a job (P9). No lab has a job
// on that many hosts.
const maxNested = 1 << 15

// strict holds the rules of one object: only a field that is a pointer may be null, and a field
// that is left out gets Autotest's default.
var strict = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(readString),
	json.UnmarshalFromFunc(readBool),
	json.UnmarshalFromFunc(readTime),
	notNull[int64]("a whole number", '0'),
	notNull[int32]("a whole number", '0'),
	object(newRef),
	object(newLabel),
	object(newACLGroup),
	object(newUser),
	object(newAttribute),
	object(newKeyval),
	object(newEntry),
	object(newHost),
	object(newJob),
))

// What an object has in the fields that are left out. Each has its own: through a pointer that two
// objects had in common, both would get the value of the last one.

func newRef() Ref             { return Ref{ID: missingID, Hostname: missing} }
func newLabel() Label         { return Label{ID: missingID, Name: missing} }
func newACLGroup() ACLGroup   { return ACLGroup{ID: missingID, Name: missing} }
func newUser() User           { return User{ID: missingID, Login: missing, RebootBefore: 1} }
func newAttribute() Attribute { return Attribute{} }
func newKeyval() Keyval       { return Keyval{JobID: missingID} }
func newEntry() Entry         { return Entry{ID: missingID, Status: missing} }

func newHost() Host {
	return Host{
		ID: missingID, Hostname: missing, Status: "Ready", Leased: true, Dirty: true,
		LockReason: new(string),
	}
}

func newJob() Job {
	return Job{
		ID: missingID, Owner: missing, Name: missing, Priority: 40, ControlType: 2,
		Timeout: 24, TimeoutMins: 1440, MaxRuntimeHrs: 72, MaxRuntimeMins: 4320,
		RunReset: true, RebootBefore: 1,
	}
}

// Reader reads objects of one kind, one after the other: a [Host], [Job], [Keyval] of a suite, or
// id. It is not safe for concurrent use.
type Reader[T any] struct{ quick quick }

// Read reads an object. One that cannot be used is not kept: half an object can take much more
// memory than its text.
func (reader *Reader[T]) Read(text jsontext.Value) *Received[T] {
	r, err := &Received[T]{}, error(nil)
	if !quickly(&reader.quick, text, &r.Object) {
		err = readStrictly(text, &r.Object)
	}
	if err == nil {
		r.ID, r.Err = check(&r.Object)
	} else {
		r.ID, r.Err = idOf(bytes.NewReader(text)), cmp.Or(mended(text, err), answer.Explain(err))
	}
	return r.judged()
}

// readStrictly reads an object as the rules say, slowly. Its error is that of the JSON library.
func readStrictly[T any](text jsontext.Value, object *T) error {
	return json.Unmarshal(text, object, strict)
}

// TooLarge is an object of more than MaxBytes.
func TooLarge[T any](size int64, text io.Reader) *Received[T] {
	return (&Received[T]{ID: idOf(text), Err: fmt.Errorf("it has %d bytes, more than %d", size, MaxBytes)}).judged()
}

func (r *Received[T]) judged() *Received[T] {
	r.ID = max(r.ID, 0)
	if r.Err != nil {
		r.Object = *new(T)
	}
	return r
}

// mended returns what was replaced in a text, and in which field where the library's error says it;
// nil: nothing was.
func mended(text jsontext.Value, err error) error {
	wrong, ofField := answer.Replaced(text)
	if !ofField {
		return wrong
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return answer.At(syntactic.JSONPointer, wrong)
	} else if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return answer.At(semantic.JSONPointer, wrong)
	}
	return wrong
}

// idOf returns the id of an object that was not understood; 0 when even that cannot be read.
func idOf(text io.Reader) (id int64) {
	dec := jsontext.NewDecoder(answer.Framed(text), answer.Lenient)
	if dec.PeekKind() != '{' {
		return 0
	}
	err := answer.Members(dec, func(name string) error {
		if name != "id" {
			return dec.SkipValue()
		}
		value, err := dec.ReadValue()
		if err == nil && json.Unmarshal(value, &id) != nil {
			id = 0
		}
		return err
	})
	if err != nil {
		return 0
	}
	return id
}

// readString refuses a string that a text column cannot hold.
func readString(dec *jsontext.Decoder, s *string) error {
	if dec.PeekKind() != '"' {
		return unwanted(dec, "a string")
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	*s = token.String()
	if strings.Contains(*s, missing) {
		return errors.New("contains a NUL character, which PostgreSQL cannot store")
	}
	return nil
}

// readBool accepts 0 and 1 too, which some masters' databases give for a boolean.
func readBool(dec *jsontext.Decoder, b *bool) error {
	switch dec.PeekKind() {
	case 't', 'f':
		return errors.ErrUnsupported // the plain way
	case '0':
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if *b = string(value) == "1"; !*b && string(value) != "0" {
			return fmt.Errorf("want true or false, got %s", plain.Cut(string(value), 60))
		}
		return nil
	default:
		return unwanted(dec, "true or false")
	}
}

func readTime(dec *jsontext.Decoder, t *Time) error {
	var s string
	if err := readString(dec, &s); err != nil {
		return err
	}
	parsed, err := ParseTime(s)
	t.Time = parsed
	return err
}

// notNull accepts values of one kind only.
func notNull[T any](want string, kind jsontext.Kind) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, _ *T) error {
		if dec.PeekKind() != kind {
			return unwanted(dec, want)
		}
		return errors.ErrUnsupported // the plain way
	})
}

// object decodes an object on top of its defaults, and a list of such objects only from a list. The
// defaults are made anew for each object.
func object[T any](defaults func() T) *json.Unmarshalers {
	one := json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *T) error {
		if dec.PeekKind() != '{' {
			return unwanted(dec, "an object")
		}
		*v = defaults()
		return errors.ErrUnsupported // the plain way
	})
	return json.JoinUnmarshalers(json.UnmarshalFromFunc(readList[T]), one)
}

// readList reads a list element by element, and gives up early: one of empty objects takes many
// times its text in memory (P9).
func readList[T any](dec *jsontext.Decoder, list *[]T) error {
	if dec.PeekKind() != '[' {
		return unwanted(dec, "a list")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for *list = []T{}; dec.PeekKind() != ']'; {
		if len(*list) == maxNested {
			return fmt.Errorf("the list has more than %d elements", maxNested)
		}
		var element T
		if err := json.UnmarshalDecode(dec, &element); err != nil {
			return err
		}
		*list = append(*list, element)
	}
	_, err := dec.ReadToken()
	return err
}

// unwanted returns an error that quotes the next value, if it is a string or a number, and
// otherwise names its kind.
func unwanted(dec *jsontext.Decoder, want string) error {
	kind := dec.PeekKind()
	if kind == '"' || kind == '0' {
		if value, err := dec.ReadValue(); err == nil {
			return fmt.Errorf("want %s, got %s", want, plain.Cut(string(value), 60))
		}
	}
	return fmt.Errorf("want %s, got %s", want, answer.KindName(kind))
}
