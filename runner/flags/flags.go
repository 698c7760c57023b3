// Package flags makes flags of the fields of a struct, and gives them the values of environment
// variables where the command line has none.
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
	"os"
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
		v := &value{fields.FieldByIndex(field.Index), field.Tag}
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
	field reflect.Value
	tag   reflect.StructTag
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
	choices := v.list("enum")
	switch field := v.field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		err = field.UnmarshalText([]byte(text))
	case *time.Duration:
		*field, err = duration(text)
	case **time.Duration: // nil: not given
		*field = new(time.Duration)
		**field, err = duration(text)
	case *[]string:
		*field = append(*field, text)
	default:
		if len(choices) > 0 && !slices.Contains(choices, text) {
			err = errors.New("give one of " + strings.Join(choices, ", "))
		} else if v.field.Kind() == reflect.String {
			v.field.SetString(text)
		} else if n, _ := fmt.Sscan(decimal.ReplaceAllString(text, "$1$2"), field, new(string)); n != 1 ||
			v.field.Kind() != reflect.Bool && !decimal.MatchString(text) {
			err = errors.New("give " + wanted(v.field.Kind(), text))
		}
	}
	return err
}

// decimal is a number as people write it. Go would read 010 as eight.
var decimal = regexp.MustCompile(`^(-?)0*([0-9]+(\.[0-9]+)?)$`)

func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		err = errors.New("give a duration such as 300ms, 60s or 30m")
	}
	return d, err
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
// flag, the error asks for the one that has the longest beginning in common with it.
func Parse(set *pflag.FlagSet, args []string) error {
	err := set.Parse(args)
	if bare, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := bare.GetFlag()
		return fmt.Errorf("--%s has no value: give --%[1]s %s", flag.Name, flag.Value.Type())
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name, meant := unknown.GetSpecifiedName(), ""
		for n := len(name); n > 2 && meant == ""; n-- {
			set.VisitAll(func(flag *pflag.Flag) {
				if meant == "" && strings.HasPrefix(flag.Name, name[:n]) {
					meant = ", did you mean --" + flag.Name + "?"
				}
			})
		}
		return fmt.Errorf("%w%s", err, meant)
	}
	return err
}

// FromEnvironment gives each flag that is not on the command line the value of the first of its
// variables that has one. A variable that is set but empty counts as unset, as libpq treats its PG
// variables: `SHARD_CLIENT_USER=` in an environment file of systemd must not fail.
func FromEnvironment(set *pflag.FlagSet) error {
	var wrong []error
	set.VisitAll(func(flag *pflag.Flag) {
		for _, name := range flag.Value.(*value).list("env") {
			text := os.Getenv(name)
			if text == "" || flag.Changed {
				continue
			}
			if err := set.Set(flag.Name, text); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			}
			return
		}
	})
	return errors.Join(wrong...)
}

// Unread returns the variables of the environment that have a value and begin with prefix, but that
// no flag takes its value from: somebody has misspelt one.
func Unread(set *pflag.FlagSet, prefix string) (names []string) {
	read := map[string]bool{}
	set.VisitAll(func(flag *pflag.Flag) {
		for _, name := range flag.Value.(*value).list("env") {
			read[name] = true
		}
	})
	for _, pair := range os.Environ() {
		name, text, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, prefix) && !read[name] && text != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
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
