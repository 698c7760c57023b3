// Package command finds out what a command line asks a program for, and describes what a program
// can be asked for.
//
// # From words to a command
//
// A program is a [Set] of commands. [Set.Read] takes the words of a command's name out of the
// command line, one after the other, and then its flags. Flags that all commands share stand before
// or after the name. [Line.TakeArguments] puts the words that are left into the fields of the
// command that want them.
//
// # A command
//
// The fields of what a command does are its flags (see package flags) and, with the tag arg, its
// arguments. The tag optional says that an argument may be missing, required that a flag may not.
// Two methods are asked for if they are there: Help returns paragraphs for the help, and Validate
// the error of values that do not go together.
package command

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// Command is what a program can be asked for.
type Command struct {
	Name  string // words; "" is the program itself
	About string // one line for lists
	More  string // paragraphs for the help, unless Do has them
	Do    any    // points to a struct; nil: the command only stands before others
	// Needs names those shared flags that the command is of no use without; its help shows them.
	Needs   []string
	Example string // command lines with all that the command needs
}

// Set is what one program can be asked for.
type Set struct {
	Program  string
	Commands []Command // the first one is the program itself
	// Shared points to a struct with the flags that every command accepts; nil: none.
	Shared any
	// Topic is the page of help that lists the shared flags.
	Topic string
	// Heading returns the title above a command in the list of all.
	Heading func(*Command) string
}

// Line is what a command line asks for.
type Line struct {
	Command
	Help    bool `short:"h" help:"Show this help."`
	Version bool `short:"v" help:"Print the version."`

	Topic bool           // the page of help about the shared flags is asked for
	Flags *pflag.FlagSet // shared flags and those of the command
	set   *Set
}

// Read finds the command, and gives flags their values. Variables of the environment and arguments
// are the caller's to take. With an error, the line is what could be read until then. `help` before
// the name of a command is the same as --help behind it.
func (s *Set) Read(args []string) (*Line, error) {
	line := &Line{Command: s.Commands[0], set: s}
	set := flags.New(line)
	line.Flags = set
	if s.Shared != nil {
		flags.New(s.Shared).VisitAll(set.AddFlag)
	}
	set.SetInterspersed(false)
	for line.Do == nil { // one word of its name after the other
		if err := flags.Parse(set, args); err != nil { // the command may stand behind the wrong flag
			return line, err
		} else if set.NArg() == 0 {
			return line, line.unfinished("")
		}
		word, rest := set.Arg(0), set.Args()[1:]
		args = rest
		if line.Name == "" && !line.Help && word == "help" {
			line.Help = true
			continue
		}
		if line.Name == "" && line.Help && word == s.Topic {
			line.Topic = true
			return line, nil
		}
		name := strings.TrimSpace(line.Name + " " + word)
		next := slices.IndexFunc(s.Commands, func(c Command) bool { return c.Name == name })
		if next < 0 {
			return line, line.unfinished(word)
		}
		line.Command = s.Commands[next]
	}
	line.flagsOfItsOwn().VisitAll(set.AddFlag)
	set.SetInterspersed(true)
	return line, flags.Parse(set, args)
}

// flagsOfItsOwn makes flags of what the command does.
func (c *Command) flagsOfItsOwn() *pflag.FlagSet {
	if kind := reflect.TypeOf(c.Do); kind == nil || kind.Kind() != reflect.Pointer {
		return flags.New(new(struct{}))
	}
	return flags.New(c.Do)
}

// meant returns the command that a wrong word was probably meant to be: the nearest of those that
// could stand here, or one that ends with such a word.
func (l *Line) meant(word string) string {
	var words, names []string
	for _, c := range l.set.Commands {
		if next, ok := below(l.Name, c.Name); ok {
			words, names = append(words, next), append(names, c.Name)
		}
	}
	if extra := "help"; l.Name == "" {
		if l.Help {
			extra = l.set.Topic
		}
		words, names = append(words, extra), append(names, extra)
	}
	if near := flags.Nearest(word, words); near != "" {
		return names[slices.Index(words, near)]
	}
	words, names = nil, nil
	for _, c := range l.set.Commands {
		words, names = append(words, c.Name[strings.LastIndex(c.Name, " ")+1:]), append(names, c.Name)
	}
	if near := flags.Nearest(word, words); word != "" && near != "" {
		return names[slices.Index(words, near)]
	}
	return ""
}

// unfinished returns the error of a command line that ends too early, or goes on with a wrong word.
func (l *Line) unfinished(word string) error {
	if word == "" && (l.Help || l.Version) {
		return nil
	}
	var names []string
	for _, c := range l.set.Commands {
		if _, ok := below(l.Name, c.Name); ok {
			names = append(names, c.Name)
		}
	}
	want := "; want one of " + strings.Join(names, ", ")
	if meant := l.meant(word); meant != "" {
		want = ", did you mean " + meant + "?"
	}
	switch name := strings.TrimSpace(l.Name + " " + word); {
	case name == "":
		return errors.New("no command given" + want)
	case word == "":
		return fmt.Errorf("%s is only the beginning of a command%s", name, want)
	default:
		return fmt.Errorf("unknown command %q%s", name, want)
	}
}
