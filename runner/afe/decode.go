package afe

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

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

// maxObjects bounds the memory that a section of tiny objects takes, some 300 bytes each (P9). A
// first heartbeat with 100,000 jobs stays far below. Only tests change it.
var maxObjects = 1 << 19

// maxObjectBytes bounds one object (P9). It is the default of --max-upload-bytes: a job that is
// larger would arrive only to be too large for its upload.
const maxObjectBytes = 16 << 20

// lenient lets an object with a broken string or a repeated name pass as raw text, so that it alone
// is set aside; each object is then read strictly.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// strict holds the rules of one object: only a field that is a pointer may be null, and a field
// that is left out gets Autotest's default.
var strict = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(readString),
	json.UnmarshalFromFunc(readBool),
	json.UnmarshalFromFunc(readTime),
	notNull[int64]("a whole number", '0'),
	notNull[int32]("a whole number", '0'),
	object(func() Ref { return Ref{ID: missingID, Hostname: missing} }),
	object(func() Label { return Label{ID: missingID, Name: missing} }),
	object(func() ACLGroup { return ACLGroup{ID: missingID, Name: missing} }),
	object(func() User { return User{ID: missingID, Login: missing, RebootBefore: 1} }),
	object(func() Attribute { return Attribute{} }),
	object(func() Keyval { return Keyval{JobID: missingID} }),
	object(func() Entry { return Entry{ID: missingID, Status: missing} }),
	object(func() Host {
		return Host{
			ID: missingID, Hostname: missing, Status: "Ready", Leased: true, Dirty: true,
			LockReason: new(string),
		}
	}),
	object(func() Job {
		return Job{
			ID: missingID, Owner: missing, Name: missing, Priority: 40, ControlType: 2,
			Timeout: 24, TimeoutMins: 1440, MaxRuntimeHrs: 72, MaxRuntimeMins: 4320,
			RunReset: true, RebootBefore: 1,
		}
	}),
))

// decodeResult reads the result of a heartbeat. It fails only when the result is not an object, or
// is not one of a heartbeat: then it does not prove that the upload was stored.
func decodeResult(raw jsontext.Value) (*Response, error) {
	var sections struct {
		Hosts            jsontext.Value `json:"hosts"`
		Jobs             jsontext.Value `json:"jobs"`
		SuiteKeyvals     jsontext.Value `json:"suite_keyvals"`
		IncorrectHostIDs jsontext.Value `json:"incorrect_host_ids"`
	}
	if raw.Kind() != '{' {
		return nil, fmt.Errorf("result is %s, want an object", kindName(raw.Kind()))
	}
	if err := json.Unmarshal(raw, &sections, lenient); err != nil {
		return nil, err
	}
	if sections.Hosts == nil && sections.Jobs == nil &&
		sections.SuiteKeyvals == nil && sections.IncorrectHostIDs == nil {
		return nil, errors.New("result has no section of a heartbeat's")
	}
	r := &Response{}
	r.Hosts = decodeSection(r, "hosts", sections.Hosts, (*Host).check)
	r.Jobs = decodeSection(r, "jobs", sections.Jobs, (*Job).check)
	r.SuiteKeyvals = decodeSection(r, "suite_keyvals", sections.SuiteKeyvals, (*Keyval).checkSuite)
	for _, id := range decodeSection(r, "incorrect_host_ids", sections.IncorrectHostIDs, checkID) {
		if id.Err != nil {
			r.Malformed = append(r.Malformed, Malformed{Section: "incorrect_host_ids", Raw: id.Raw, Err: id.Err})
			continue
		}
		r.IncorrectHostIDs = append(r.IncorrectHostIDs, id.Object)
	}
	return r, nil
}

// decodeSection reads a list object by object. A section that is absent or not a list counts as
// empty and makes the response incomplete, but for incorrect_host_ids, which a master of 2015 does
// not send. Objects beyond maxObjects are only noted, because the master sends them again.
func decodeSection[T any](
	r *Response, name string, raw jsontext.Value, check func(*T) (int64, error),
) []Received[T] {
	malformed := func(err error) {
		r.Malformed = append(r.Malformed, Malformed{Section: name, Raw: unmended(raw), Err: err})
	}
	switch {
	case raw == nil && name == "incorrect_host_ids":
		return nil
	case raw == nil:
		r.Incomplete = cmp.Or(r.Incomplete, fmt.Errorf("incomplete answer: %s is missing", name))
		return nil
	case raw.Kind() != '[':
		err := fmt.Errorf("%s is %s, want a list", name, kindName(raw.Kind()))
		if wrong := mended(raw, nil); wrong != nil && raw.Kind() == '"' {
			err = fmt.Errorf("%s: %w, want a list", name, wrong)
		}
		malformed(err)
		r.Incomplete = cmp.Or(r.Incomplete, fmt.Errorf("incomplete answer: %w", err))
		return nil
	}
	objects := []Received[T]{} // not nil: the section was there
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), lenient)
	for _, err := dec.ReadToken(); err == nil && dec.PeekKind() != ']'; {
		if len(objects) == maxObjects {
			malformed(fmt.Errorf("%s has more than %d objects; the rest is left out", name, maxObjects))
			break
		}
		var value jsontext.Value
		if value, err = dec.ReadValue(); err == nil {
			objects = append(objects, Received[T]{Raw: value.Clone()})
			objects[len(objects)-1].decode(check)
		}
	}
	return objects
}

// decode reads one object strictly. When it cannot be used, only its text is kept: half an object
// can take much more memory than the text.
func (r *Received[T]) decode(check func(*T) (int64, error)) {
	if len(r.Raw) > maxObjectBytes {
		r.ID, r.Err = idOf(r.Raw), fmt.Errorf("it has %d bytes, more than %d", len(r.Raw), maxObjectBytes)
	} else if err := json.Unmarshal(r.Raw, &r.Object, strict); err == nil {
		r.ID, r.Err = check(&r.Object)
	} else {
		r.ID, r.Err = idOf(r.Raw), cmp.Or(mended(r.Raw, err), explain(err))
		r.Raw = unmended(r.Raw)
	}
	r.ID = max(r.ID, 0)
	if r.Err != nil {
		r.Object = *new(T)
	}
}

// idOf returns the id of an object that was not understood; 0 when even that cannot be read.
func idOf(raw jsontext.Value) int64 {
	var only struct {
		ID jsontext.Value `json:"id"`
	}
	var id int64
	if json.Unmarshal(raw, &only, lenient) != nil || json.Unmarshal(only.ID, &id) != nil {
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
// defaults are made anew for each object: through a pointer that objects had in common, each would
// get the value of the last one.
func object[T any](defaults func() T) *json.Unmarshalers {
	one := json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *T) error {
		if dec.PeekKind() != '{' {
			return unwanted(dec, "an object")
		}
		*v = defaults()
		return errors.ErrUnsupported // the plain way
	})
	return json.JoinUnmarshalers(notNull[[]T]("a list", '['), one)
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
	return fmt.Errorf("want %s, got %s", want, kindName(kind))
}

func kindName(kind jsontext.Kind) string {
	return cmp.Or(kindNames[kind], "nothing readable")
}

var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "a boolean", 'f': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "a list",
}

// explain turns a decoding error into a sentence that starts with the field.
func explain(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		cause := cmp.Or(semantic.Err, fmt.Errorf("cannot use %s here", kindName(semantic.JSONKind)))
		if errors.Is(cause, strconv.ErrSyntax) {
			cause = errors.New("want a whole number")
		}
		if len(semantic.JSONValue) > 0 {
			cause = fmt.Errorf("%s: %w", plain.Cut(string(semantic.JSONValue), 60), cause)
		}
		return at(semantic.JSONPointer, cause)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return at(syntactic.JSONPointer, syntactic.Err)
	}
	return err
}

// at puts the field before the cause, written as an operator would: hostqueueentry_set[2].status.
func at(pointer jsontext.Pointer, cause error) error {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if strings.Trim(token, "0123456789") == "" {
			fmt.Fprintf(&path, "[%s]", token)
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(plain.Cut(token, 60))
	}
	if path.Len() == 0 {
		return cause
	}
	return fmt.Errorf("%s: %w", plain.Cut(path.String(), 200), cause)
}
