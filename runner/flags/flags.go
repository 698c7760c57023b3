// Package flags makes flags of the fields of a struct, and gives them the values of environment
// variables, and then of files, where the command line has none. It knows where each value is from.
//
// # Tags
//
// A field with the tag help is a flag. Its name is that of the field, in lower case with dashes, or
// the tag name. The other tags are short (a letter), default, placeholder (what the help shows for
// the value; otherwise the enum, or a word for the type), enum (the values that it may have), env
// (its variables) and group (the heading in the help). Lists are separated by commas. The fields of
// an embedded struct are flags, too.
//
// # Limits
//
// pflag takes the command line apart. Nothing here looks for a method by its name: the linker would
// have to keep those of every library (docs/decisions/0052-pflag-reads-the-command-line.md).
package flags

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// New returns a flag for each field with a help of the struct that settings points to. It panics at
// a default that cannot be used.
func New(settings any) *pflag.FlagSet {
	set := newSet()
	fields := reflect.ValueOf(settings).Elem()
	for _, field := range reflect.VisibleFields(fields.Type()) {
		help, ok := field.Tag.Lookup("help")
		if !ok {
			continue
		}
		v := &value{field: fields.FieldByIndex(field.Index), tag: field.Tag}
		if names := v.list("env"); len(names) > 0 {
			help = strings.TrimSuffix(help, ".") + " ($" + strings.Join(names, ", $") + ")."
		}
		flag := set.VarPF(v, cmp.Or(v.tag.Get("name"), Name(field.Name)), v.tag.Get("short"), help)
		if v.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		if flag.DefValue = v.tag.Get("default"); flag.DefValue != "" {
			if err := v.Set(flag.DefValue); err != nil {
				panic(err)
			}
		}
	}
	return set
}

func newSet() *pflag.FlagSet {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SortFlags = false
	return set
}

var boundary = regexp.MustCompile("([a-z])([A-Z])")

// Name returns the name of the flag or the argument for a field: that of MetaHost is meta-host.
func Name(field string) string { return strings.ToLower(boundary.ReplaceAllString(field, "$1-$2")) }

// value is a field as the value of a flag.
type value struct {
	field  reflect.Value
	tag    reflect.StructTag
	source string // of what it has now; "": the command line, or its default
}

func (v *value) String() string { return "" } // pflag would show it

// Type says in the help what the value is: *time.Duration is a DURATION. pflag knows bool by its
// name.
func (v *value) Type() string {
	kind := v.field.Type().String()
	kind = strings.ToUpper(kind[strings.LastIndexAny(kind, "*.")+1:])
	switch {
	case v.field.Kind() == reflect.Bool:
		return "bool"
	case v.field.Kind() == reflect.String:
		kind = "TEXT"
	case v.field.Type().PkgPath() == "" && (v.field.CanInt() || v.field.CanUint() || v.field.CanFloat()):
		kind = "N"
	}
	return cmp.Or(v.tag.Get("placeholder"), strings.Join(v.list("enum"), "|"), kind)
}

func (v *value) list(tag string) []string {
	return strings.FieldsFunc(v.tag.Get(tag), func(r rune) bool { return r == ',' })
}

func (v *value) Set(text string) (err error) {
	if strings.HasPrefix(text, "--") { // of a value that was forgotten, pflag takes the next flag for it
		return errors.New("it looks like a flag: is the value missing?")
	}
	before := reflect.ValueOf(v.field.Interface())
	defer func() {
		if err != nil { // what cannot be used must not be complained of a second time, as what was made of it
			v.field.Set(before)
		}
	}()
	choices := v.list("enum")
	switch field := v.field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		err = field.UnmarshalText([]byte(text))
	// A text that is no duration changes nothing: what stands for it would be judged as if it were
	// given.
	case *time.Duration:
		err = setDuration(field, text)
	case **time.Duration: // nil: not given
		given := new(time.Duration)
		if err = setDuration(given, text); err == nil {
			*field = given
		}
	case *[]string:
		*field = append(*field, text)
	default:
		if len(choices) > 0 && !slices.Contains(choices, text) {
			err = errors.New("give one of " + strings.Join(choices, ", "))
		} else if v.field.Kind() == reflect.String {
			v.field.SetString(text)
		} else if padded(text) {
			err = errPadded
		} else if n, _ := fmt.Sscan(text, field, new(string)); n != 1 ||
			v.field.Kind() != reflect.Bool && !decimal.MatchString(text) {
			err = errors.New("give " + wanted(v.field.Kind(), text))
		}
	}
	return err
}

// decimal is a number as people write it.
var decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

var errPadded = errors.New("give it without the leading zero: to some programs 010 is eight, to others ten")

// padded reports whether a number begins with a zero that says nothing, or that it is octal.
func padded(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'
}

// setDuration leaves the default where the text is no duration: a check of the values would find
// fault with a time that nobody has given.
func setDuration(field *time.Duration, text string) error {
	if padded(text) {
		return errPadded
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("give a duration such as 300ms, 60s or 30m")
	}
	*field = d
	return nil
}

// wanted says what to give in place of a text that is no value of this kind.
func wanted(kind reflect.Kind, text string) string {
	switch {
	case kind == reflect.Bool:
		return "true or false"
	case kind == reflect.Float64:
		return "a number such as 0.5"
	case text != "" && strings.Trim(text, "0123456789") == "":
		return "a smaller number"
	case kind == reflect.Uint64:
		return "a whole number from 0 on, in decimal digits only"
	}
	return "a whole number, in decimal digits only"
}

// Parse sets the flags on the command line, and leaves its other words to set.Args. For an unknown
// flag, the error asks for the nearest one, or the one that has the longest beginning in common.
func Parse(set *pflag.FlagSet, args []string) error {
	err := set.Parse(args)
	if bare, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := bare.GetFlag()
		return fmt.Errorf("--%s has no value: give --%[1]s %s", flag.Name, flag.Value.Type())
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if meant := meantBy(set, unknown.GetSpecifiedName()); meant != "" {
			err = fmt.Errorf("%w, did you mean --%s?", err, meant)
		}
	}
	return err
}

func meantBy(set *pflag.FlagSet, name string) string {
	var names []string
	set.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if near := Nearest(name, names); near != "" {
		return near
	}
	for n := len(name); n > 2; n-- {
		if i := slices.IndexFunc(names, func(one string) bool { return strings.HasPrefix(one, name[:n]) }); i >= 0 {
			return names[i]
		}
	}
	return ""
}

// glue stands for a space at which pflag must not break a line.
const glue = "\x01"

// Help describes the flags that are not hidden, below the headings of their groups.
func Help(set *pflag.FlagSet) (text string) {
	var titles []string
	groups := map[string]*pflag.FlagSet{}
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		title := cmp.Or(flag.Value.(*value).tag.Get("group"), "Flags")
		if groups[title] == nil {
			titles, groups[title] = append(titles, title), newSet()
		}
		shown := *flag
		if shown.DefValue != "" && shown.DefValue != "0" {
			shown.Usage += " (default" + glue + shown.DefValue + ")"
		}
		shown.DefValue = ""
		groups[title].AddFlag(&shown)
	})
	for _, title := range titles {
		text += "\n" + title + ":\n" + groups[title].FlagUsagesWrapped(80)
	}
	return strings.ReplaceAll(text, glue, " ")
}
