package command

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// CompletionWord is the first argument of a program that the scripts of shells call, with the words
// of a command line behind it, to learn how the last one may go on. It is in no help.
const CompletionWord = "__complete"

// The scripts know nothing of the commands, so that they fit every version of a program.
var (
	//go:embed complete.bash
	bashScript string
	//go:embed complete.zsh
	zshScript string
	//go:embed complete.fish
	fishScript string
)

// Completion is the command that prints the script of a shell.
type Completion struct {
	Program string
	Shell   string `arg:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Script returns what makes the shell complete the command lines of the program; "": there is none.
func (c *Completion) Script() string {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	function := strings.ReplaceAll(c.Program, "-", "_")
	return strings.NewReplacer("@PROGRAM@", c.Program, "@FUNCTION@", function, "@ASK@", CompletionWord).Replace(script)
}

// Help says where the scripts belong.
func (c *Completion) Help() string {
	return strings.ReplaceAll("The packages bring the scripts. Otherwise, for every user of this machine, write the "+
		"output to the file in which the shell looks for it:\n\n"+
		"  bash  /usr/share/bash-completion/completions/@PROGRAM@\n"+
		"  zsh   /usr/share/zsh/vendor-completions/_@PROGRAM@\n"+
		"  fish  /usr/share/fish/vendor_completions.d/@PROGRAM@.fish", "@PROGRAM@", c.Program)
}

// Validate refuses a shell for which there is no script.
func (c *Completion) Validate() error {
	if c.Script() == "" {
		return fmt.Errorf("no script for the shell %q: give one of bash, zsh, fish", c.Shell)
	}
	return nil
}

// Complete returns a line for each word that the last of these words may become: the word, a tab,
// what it is. A last line :files or :directories asks the shell for names of those.
func (s *Set) Complete(words []string) string {
	if len(words) == 0 {
		words = []string{""}
	}
	cursor := s.follow(words[:len(words)-1])
	last := words[len(words)-1]
	if cursor.value != nil {
		return choices(cursor.value, "", strings.TrimPrefix(last, "=")) // bash gives = as a word
	}
	name, value, valued := strings.Cut(last, "=")
	switch {
	case cursor.plain:
		return cursor.arguments(last)
	case valued && strings.HasPrefix(name, "--"):
		if flag := cursor.flags.Lookup(name[2:]); flag != nil {
			return choices(flag, name+"=", value)
		}
		return ""
	case strings.HasPrefix(last, "-"):
		return cursor.listFlags(last)
	default:
		return s.next(cursor, last) + cursor.arguments(last)
	}
}

// cursor is how far a command line has come.
type cursor struct {
	command Command
	flags   *pflag.FlagSet
	value   *pflag.Flag // the flag whose value comes next
	words   int         // arguments before
	plain   bool        // behind --
	help    bool        // behind the word help
}

// follow reads the words before the one that is completed. It is not strict: a wrong word is no
// reason to give no help with the next.
func (s *Set) follow(words []string) *cursor {
	c := &cursor{command: s.Commands[0]}
	c.take(s)
	for _, word := range words {
		name, _, valued := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case c.value != nil && word == "=":
		case c.value != nil:
			c.value = nil
		case c.plain:
			c.words++
		case word == "--":
			c.plain = true
		case strings.HasPrefix(word, "-"):
			flag := c.flags.Lookup(name)
			if len(name) == 1 && !strings.HasPrefix(word, "--") {
				flag = c.flags.ShorthandLookup(name)
			}
			if flag != nil && flags.TakesValue(flag) && !valued {
				c.value = flag
			}
		case c.command.Name == "" && word == "help":
			c.help = true
		case c.command.Do != nil:
			c.words++
		default:
			whole := strings.TrimSpace(c.command.Name + " " + word)
			if n := slices.IndexFunc(s.Commands, func(one Command) bool { return one.Name == whole }); n >= 0 {
				c.command = s.Commands[n]
				c.take(s)
			}
		}
	}
	return c
}

// take makes the flags those of the command.
func (c *cursor) take(s *Set) {
	c.flags = flags.New(&Line{})
	c.command.flagsOfItsOwn().VisitAll(c.flags.AddFlag)
	if s.Shared != nil {
		flags.New(s.Shared).VisitAll(c.flags.AddFlag)
	}
}

// next lists the words that bring a command further.
func (s *Set) next(c *cursor, beginning string) (list string) {
	if c.command.Do != nil {
		return ""
	}
	for _, one := range s.Commands {
		if word, ok := below(c.command.Name, one.Name); ok {
			list += candidate(word, one.About, beginning)
		}
	}
	if c.command.Name != "" {
		return list
	}
	if c.help && s.Topic != "" {
		return list + candidate(s.Topic, "All settings.", beginning)
	}
	if c.help {
		return list
	}
	return list + candidate("help", "Show the help of a command.", beginning)
}

// below returns the one word by which the name of a command goes on.
func below(name, longer string) (word string, ok bool) {
	word, ok = strings.CutPrefix(longer, strings.TrimLeft(name+" ", " "))
	return word, ok && len(strings.Fields(word)) == 1
}

func (c *cursor) arguments(beginning string) (list string) {
	n := 0
	for field := range c.command.fields() {
		if _, ok := field.Tag.Lookup("arg"); !ok || c.help {
			continue
		}
		if n == c.words {
			for _, choice := range flags.ChoicesOf(field) {
				list += candidate(choice, "", beginning)
			}
		}
		n++
	}
	return list
}

func (c *cursor) listFlags(beginning string) (list string) {
	c.flags.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			list += candidate("--"+flag.Name, flag.Usage, beginning)
		}
	})
	return list
}

// choices lists the values of a flag, with what stands before them in the same word.
func choices(flag *pflag.Flag, before, beginning string) (list string) {
	for _, choice := range flags.Choices(flag) {
		list += candidate(before+choice, "", before+beginning)
	}
	return list + map[flags.Names]string{flags.Files: ":files\n", flags.Directories: ":directories\n"}[flags.NamesOf(flag)]
}

func candidate(word, about, beginning string) string {
	if !strings.HasPrefix(word, beginning) {
		return ""
	}
	about, _, _ = strings.Cut(about, " ($") // the variable
	return fmt.Sprintf("%s\t%s\n", word, strings.TrimSuffix(about, "."))
}
