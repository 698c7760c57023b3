package command

import (
	"fmt"
	"go/doc/comment"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// Describe returns the help that the line asks for: a command with its flags and arguments, those
// of the shared flags that it needs, and the commands below it.
func (l *Line) Describe() string {
	s := l.set
	own := flags.New(&Line{})
	if l.Topic {
		return fmt.Sprintf("Every command of %s accepts these, before or after its name.\n", s.Program) + flags.Help(flags.New(s.Shared))
	}
	usage, about, rows := s.Program+" "+l.Name, l.About, ""
	if l.Do == nil {
		usage = strings.TrimSpace(usage) + " <command>"
	} else {
		l.flagsOfItsOwn().VisitAll(own.AddFlag)
	}
	for field := range l.fields() {
		if text, ok := field.Tag.Lookup("arg"); ok {
			usage += " " + shown(field)
			rows += row(shown(field), text)
		}
	}
	if more := l.more(); more != "" {
		about += "\n\n" + more
	}
	text := "Usage: " + usage + " [flags]\n\n" + wrap(about, 0)
	if l.Example != "" {
		text += "\nExample:\n  " + strings.ReplaceAll(l.Example, "\n", "\n  ") + "\n"
	}
	if rows != "" {
		text += "\nArguments:\n" + rows
	}
	if l.Do == nil {
		text += s.list(l)
	}
	text += s.needed(l) + flags.Help(own)
	if s.Shared != nil {
		text += fmt.Sprintf("\nAll settings: %s help %s\n", s.Program, s.Topic)
	}
	return text
}

// more returns what the help says of a command beside the one line.
func (c *Command) more() string {
	if do, ok := c.Do.(interface{ Help() string }); ok {
		return do.Help()
	}
	return c.More
}

// needed describes those of the shared flags that a command needs.
func (s *Set) needed(l *Line) string {
	if s.Shared == nil {
		return ""
	}
	needed := pflag.NewFlagSet("", pflag.ContinueOnError)
	needed.SortFlags = false
	flags.New(s.Shared).VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(l.Needs, flag.Name) {
			needed.AddFlag(flag)
		}
	})
	return flags.Help(needed)
}

// list returns the commands that stand below this one.
func (s *Set) list(l *Line) (text string) {
	title, width := "", 0
	var below []Command
	for _, c := range s.Commands {
		if c.Do != nil && (l.Name == "" || strings.HasPrefix(c.Name, l.Name+" ")) {
			below, width = append(below, c), max(width, len(c.Name))
		}
	}
	for _, c := range below {
		heading := "Commands"
		if s.Heading != nil {
			heading = s.Heading(&c)
		}
		if heading != title {
			title, text = heading, text+"\n"+heading+":\n"
		}
		text += rowOf(width+4, c.Name, c.About)
	}
	return text
}

const column = 18 // where the second column begins

func row(left, right string) string { return rowOf(column, left, right) }

func rowOf(column int, left, right string) string {
	return fmt.Sprintf("  %-*s  %s", column-4, left, strings.TrimSpace(wrap(right, column))+"\n")
}

// wrap breaks paragraphs into lines of 80 columns. An indented one stays as it is.
func wrap(text string, indent int) string {
	printer := comment.Printer{TextPrefix: strings.Repeat(" ", indent), TextCodePrefix: "  ", TextWidth: 80 - indent}
	return string(printer.Text(new(comment.Parser).Parse(text)))
}
