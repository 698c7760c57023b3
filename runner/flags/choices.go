package flags

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Choices returns the values that a flag may have, where there is a list of them.
func Choices(flag *pflag.Flag) []string { return flag.Value.(*value).list("enum") }

// ChoicesOf returns the same of a field that is an argument.
func ChoicesOf(field reflect.StructField) []string {
	return (&value{tag: field.Tag}).list("enum")
}

// Group returns the heading under which a flag stands; "": it has none.
func Group(flag *pflag.Flag) string { return flag.Value.(*value).tag.Get("group") }

// TakesValue reports whether a word has to follow the flag.
func TakesValue(flag *pflag.Flag) bool { return flag.NoOptDefVal == "" }

// Names is what the value of a flag is the name of.
type Names int

const (
	Nothing     Names = iota // that is on the disk
	Files                    // the help calls the value PATH or FILE
	Directories              // the help calls it DIR or DIRECTORY
)

// NamesOf says what the value of a flag is the name of, by what the help calls it.
func NamesOf(flag *pflag.Flag) Names {
	switch kind := flag.Value.Type(); {
	case strings.HasPrefix(kind, "DIR"):
		return Directories
	case kind == "PATH", kind == "FILE":
		return Files
	}
	return Nothing
}
