package flags

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// FromEnvironment gives each flag that is not on the command line the value of the first of its
// variables that has one. A variable that is set but empty counts as unset, as libpq treats its PG
// variables: `SHARD_CLIENT_USER=` in an environment file of systemd must not fail.
func FromEnvironment(set *pflag.FlagSet) error {
	return fill(set, func(v *value) (text, source string, err error) {
		for _, name := range v.list("env") {
			if text := os.Getenv(name); text != "" {
				return text, name, nil
			}
		}
		return "", "", nil
	})
}

// FromFiles gives each flag that has no value yet, and has this tag, what find returns for what the
// tag says; "" is no value. Source is the place at which an operator finds it.
func FromFiles(set *pflag.FlagSet, tag string, find func(tag string) (text, source string, err error)) error {
	return fill(set, func(v *value) (text, source string, err error) {
		if words := v.tag.Get(tag); words != "" {
			return find(words)
		}
		return "", "", nil
	})
}

func fill(set *pflag.FlagSet, find func(*value) (text, source string, err error)) error {
	var wrong []error
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed {
			return
		}
		v := flag.Value.(*value)
		text, source, err := find(v)
		if err == nil && text != "" {
			if err = set.Set(flag.Name, text); err != nil {
				err = fmt.Errorf("%s: %w", source, err)
			} else {
				v.source = source
			}
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	})
	return errors.Join(wrong...)
}

// Source returns where the value of a flag is from: --NAME for the command line, the variable, what
// FromFiles was told, or "default".
func Source(flag *pflag.Flag) string {
	switch v := flag.Value.(*value); {
	case v.source != "":
		return v.source
	case flag.Changed:
		return "--" + flag.Name
	}
	return "default"
}

// IsSetting reports whether a flag may have its value from a variable. Those that only a command
// has, and that count for one start, have none.
func IsSetting(flag *pflag.Flag) bool { return len(flag.Value.(*value).list("env")) > 0 }

// Text returns the value that a flag has now, as it may be shown: a type that hides its secrets as
// a text ([encoding.TextMarshaler]) is hidden here. A time that is not given is "".
func Text(flag *pflag.Flag) string {
	field := flag.Value.(*value).field
	switch v := field.Interface().(type) {
	case time.Duration:
		return Short(v)
	case *time.Duration:
		if v == nil {
			return ""
		}
		return Short(*v)
	case encoding.TextMarshaler:
		text, _ := v.MarshalText() // a type that cannot be shown is not shown
		return string(text)
	}
	if field.Kind() == reflect.Slice && field.Len() == 0 {
		return ""
	}
	return fmt.Sprint(field.Interface())
}

// Short returns a duration as people write it: 1h, where Go says 1h0m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Unread returns the variables of the environment that have a value and begin with prefix, but that
// no flag of these sets takes its value from: somebody has misspelt one. The nearest one that is
// known stands behind it.
func Unread(prefix string, sets ...*pflag.FlagSet) (names []string) {
	var known []string
	for _, set := range sets {
		set.VisitAll(func(flag *pflag.Flag) {
			for _, name := range flag.Value.(*value).list("env") {
				known = append(known, strings.TrimPrefix(name, prefix))
			}
		})
	}
	for _, pair := range os.Environ() {
		name, text, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || text == "" || slices.Contains(known, rest) {
			continue
		}
		if near := Nearest(rest, known); near != "" {
			name += " (did you mean " + prefix + near + "?)"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
