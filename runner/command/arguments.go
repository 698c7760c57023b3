package command

import (
	"fmt"
	"reflect"
	"strings"

	"shardclient/runner/flags"
)

// Words is an argument that takes all words that are left.
type Words interface{ Take(word string) error }

// TakeArguments puts the words behind the command into its fields with the tag arg, in their order,
// of which a list takes all that are left. The error names what is missing or too much.
func (l *Line) TakeArguments() error {
	words := l.Flags.Args()
	var missing []string
	for field, value := range l.fields() {
		_, argument := field.Tag.Lookup("arg")
		if !argument && field.Tag.Get("required") == "" {
			continue
		}
		n := len(words)
		switch to := value.Addr().Interface().(type) {
		case *string:
			if argument && n > 0 {
				*to, words = words[0], words[1:]
			}
		case *[]string:
			if argument {
				*to, words = words, nil
			}
		case Words:
			for _, word := range words {
				if err := to.Take(word); err != nil {
					return err
				}
			}
			words = nil
		}
		if argument && n == 0 && field.Tag.Get("optional") == "" {
			missing = append(missing, shown(field))
		} else if field.Tag.Get("required") != "" && value.IsZero() {
			missing = append(missing, "--"+flags.Name(field.Name))
		}
	}
	if len(words) > 0 {
		return fmt.Errorf("unexpected argument %q: %s", strings.Join(words, " "), l.takes())
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	if c, ok := l.Do.(interface{ Validate() error }); ok {
		return c.Validate()
	}
	return nil
}

// takes says which arguments the command takes.
func (l *Line) takes() string {
	if all := l.arguments(); len(all) > 0 {
		return l.Name + " takes " + strings.Join(all, " ")
	}
	return l.Name + " takes none"
}

// arguments returns the arguments as the help shows them.
func (c *Command) arguments() (all []string) {
	for field := range c.fields() {
		if _, ok := field.Tag.Lookup("arg"); ok {
			all = append(all, shown(field))
		}
	}
	return all
}

// fields yields the fields of what the command does.
func (c *Command) fields() func(yield func(reflect.StructField, reflect.Value) bool) {
	return func(yield func(reflect.StructField, reflect.Value) bool) {
		do := reflect.ValueOf(c.Do)
		if do.Kind() != reflect.Pointer {
			return
		}
		for _, field := range reflect.VisibleFields(do.Type().Elem()) {
			if !yield(field, do.Elem().FieldByIndex(field.Index)) {
				return
			}
		}
	}
}

// shown returns an argument as the help shows it.
func shown(field reflect.StructField) string {
	name := "<" + flags.Name(field.Name) + ">"
	if field.Type.Kind() == reflect.Slice {
		name += "..."
	}
	if field.Tag.Get("optional") != "" {
		name = "[" + name + "]"
	}
	return name
}
