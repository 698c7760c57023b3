package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// Manual returns the manual page of a program, as man(7) has it: its commands, the flags that all
// of them share, and more sections in the same form.
func (s *Set) Manual(more string) string {
	var page manual
	about := s.Commands[0].About
	page.line(`.TH "%s" 1 "" "%s" "User Commands"`, strings.ToUpper(s.Program), s.Program)
	page.line(".SH NAME\n%s \\- %s", roff(s.Program), roff(strings.ToLower(about[:1])+strings.TrimSuffix(about[1:], ".")))
	page.line(".SH SYNOPSIS\n.B %s\n\\fIcommand\\fR [\\fIflags\\fR]", roff(s.Program))
	page.line(".SH COMMANDS\nThese flags are those of every command; others stand below it.")
	page.flags(flags.New(&Line{}))
	for _, c := range s.Commands {
		if c.Do != nil {
			page.command(s.Program, &c)
		}
	}
	if s.Shared != nil {
		page.line(".SH SETTINGS\nEvery command accepts these, before or after its name.")
		page.flags(flags.New(s.Shared))
	}
	return page.String() + more
}

type manual struct{ strings.Builder }

func (m *manual) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *manual) command(program string, c *Command) {
	m.line(".SS %s", roff(strings.Join(append([]string{program, c.Name}, c.arguments()...), " ")))
	m.line("%s", roff(c.About))
	for paragraph := range strings.SplitSeq(c.more(), "\n\n") {
		if paragraph != "" {
			m.paragraph(paragraph)
		}
	}
	for field := range c.fields() {
		if text, ok := field.Tag.Lookup("arg"); ok {
			m.line(".TP\n.I %s\n%s", roff(shown(field)), roff(text))
		}
	}
	m.flags(c.flagsOfItsOwn())
	if c.Example != "" {
		m.paragraph("Example:")
		m.paragraph("  " + strings.ReplaceAll(c.Example, "\n", "\n  "))
	}
}

// paragraph keeps the lines of an indented one.
func (m *manual) paragraph(text string) {
	if !strings.HasPrefix(text, "  ") {
		m.line(".PP\n%s", roff(text))
		return
	}
	m.line(".PP\n.EX\n.RS 4\n%s\n.RE\n.EE", roff(strings.ReplaceAll(strings.TrimSpace(text), "\n  ", "\n")))
}

// flags describes them, below the headings of their groups.
func (m *manual) flags(set *pflag.FlagSet) {
	title := ""
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		if group := flags.Group(flag); group != title {
			title = group
			m.line(".SS %s", roff(group))
		}
		name := `\fB\-\-` + roff(flag.Name) + `\fR`
		if flag.Shorthand != "" {
			name = `\fB\-` + flag.Shorthand + `\fR, ` + name
		}
		if flags.TakesValue(flag) {
			name += ` \fI` + roff(flag.Value.Type()) + `\fR`
		}
		text := flag.Usage
		if flag.DefValue != "" && flag.DefValue != "0" {
			text += " Default: " + flag.DefValue + "."
		}
		m.line(".TP\n%s\n%s", name, roff(text))
	})
}

var escaped = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'", "`", "")

// roff escapes a text.
func roff(text string) string {
	return strings.TrimPrefix(escaped.Replace("\n"+text), "\n")
}
