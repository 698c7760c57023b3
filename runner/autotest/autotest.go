// Package autotest reads Autotest's configuration files, global_config.ini and shadow_config.ini.
//
// # The dialect
//
// They are what ConfigParser of Python 2 makes of them, and how Autotest asks it
// (client/common_lib/global_config.py). [Parse] reads one file, [File.Override] puts the values of
// a later file over those of an earlier one, and [File.Get] returns a value:
//
//   - `key: value` and `key=value`; keys have no case, names of sections do.
//   - Lines that begin with #, ; or rem are comments. Behind a value only ` ;` begins one, and only
//     where it is the first semicolon.
//   - A line that begins with a space goes on with the value above.
//   - A value of `""` alone is empty, and an empty one is missing. All other quotes stay.
//   - What [DEFAULT] says holds for each section of its own file. Where that file overrides another
//     one, it holds for the sections that it has itself, and goes before what the other one says.
//   - `%(x)s` is the value of x. A value that names an unknown one is missing, in a file that
//     overrides another one it is an error, as anything else behind `%(` is.
//
// # Limits
//
// The package opens no files, and imports no other package of ours. No library reads this dialect
// (docs/decisions/0061-read-autotests-files-as-autotest-does.md). Its errors and values name the
// line, and no error repeats anything of a file but names of sections and keys: any line may hold a
// password.
package autotest

import (
	"fmt"
	"maps"
	"strings"
)

// File is a configuration file, or several of which later ones have overridden earlier ones.
type File struct {
	defaults section // of [DEFAULT]
	sections map[string]section
}

// section maps keys in lower case to what stands behind them.
type section map[string]entry

// entry is a value as it stands in a file, before interpolation. A value that overrides another one
// was interpolated by then, or could not be.
type entry struct {
	Value
	broken error
}

// Value is what a file says, and where.
type Value struct {
	Text string // without space at either end
	Path string
	Line int
}

// Place returns PATH:LINE.
func (v Value) Place() string { return fmt.Sprintf("%s:%d", v.Path, v.Line) }

// Error is that of a file which Autotest could not read or use either.
type Error struct {
	Path  string
	Line  int
	Cause string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Cause) }

// Get returns the value of a key; the zero Value when there is none, or an empty one. The error is
// an [*Error].
func (f *File) Get(name, key string) (Value, error) {
	in, ok := f.sections[name]
	if !ok {
		return Value{}, nil // Autotest asks no section that is not there for what [DEFAULT] says
	}
	found, ok := f.find(in, lower(key))
	if !ok {
		return Value{}, nil
	}
	text, known, err := f.interpolate(name, found)
	if err != nil {
		return Value{}, err
	}
	found.Text = trim(text)
	if !known || found.Text == "" {
		return Value{}, nil
	}
	return found.Value, nil
}

// Override puts all values of another file over those that are here.
func (f *File) Override(with *File) {
	for name, in := range with.sections {
		if f.sections[name] == nil {
			f.sections[name] = section{}
		}
		all := maps.Clone(with.defaults)
		maps.Copy(all, in)
		for key, e := range all {
			f.sections[name][key] = with.settled(name, e)
		}
	}
}

// settled returns a value as it overrides another one. What Autotest could not interpolate kept it
// from starting; here it does so only where somebody asks for the value.
func (f *File) settled(name string, e entry) entry {
	text, known, err := f.interpolate(name, e)
	if err == nil && !known {
		err = &Error{e.Path, e.Line, "it names a value that is not there by %(...)s, or itself"}
	}
	e.Text, e.broken = text, err
	return e
}

func (f *File) find(in section, key string) (entry, bool) {
	if found, ok := in[key]; ok {
		return found, true
	}
	found, ok := f.defaults[key]
	return found, ok
}

// spaces are those of Python's str, which knows ASCII only.
const spaces = " \t\n\r\v\f"

func trim(text string) string { return strings.Trim(text, spaces) }

// lower changes ASCII only, as Python's str does.
func lower(text string) string {
	lowered := []byte(text)
	for i, c := range lowered {
		if 'A' <= c && c <= 'Z' {
			lowered[i] += 'a' - 'A'
		}
	}
	return string(lowered)
}
