package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// shared are the flags that every command of the tests has.
type shared struct {
	Server string `help:"Where to call." env:"TEST_SERVER"`
	Level  string `help:"What to log." enum:"low,high" default:"low"`
}

type plain struct{}

type add struct {
	Host   string   `arg:"Its name."`
	Labels []string `arg:"Its labels." optional:"yes"`
	Owner  string   `help:"Whose it is." required:"yes"`
	Force  bool     `help:"Even if it is there."`
	Kind   string   `help:"What it is." enum:"real,virtual"`
}

func (a *add) Help() string { return "More about adding.\n\n  an example that stays as it is" }

func (a *add) Validate() error {
	if a.Force && a.Owner == "nobody" {
		return errors.New("--force wants an owner")
	}
	return nil
}

// lab is what the tests ask.
func lab() (*Set, *add, *shared) {
	do, settings := &add{}, &shared{}
	return &Set{Program: "lab", Shared: settings, Topic: "settings", Commands: []Command{
		{About: "Does things.", More: "It is for tests."},
		{Name: "host", About: "All about hosts."},
		{Name: "host add", About: "Add a host.", Do: do, Needs: []string{"server"}, Example: "lab host add h1 --owner me"},
		{Name: "host list", About: "List the hosts.", Do: &plain{}},
		{Name: "serve", About: "Serve until stopped.", Do: &plain{}},
	}}, do, settings
}

// The name of a command is taken out of the line word by word, flags stand before, within and
// behind it, and what is left are its arguments.
func TestACommandLineIsRead(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"host add h1 a b --owner me":                  "host add: h1 [a b] me false low",
		"--level high host add --owner=me h1":         "host add: h1 [] me false high",
		"host --level=high add h1 --force --owner me": "host add: h1 [] me true high",
		"host add --owner me -- -h1 --force":          "host add: -h1 [--force] me false low",
		"serve":                                       "serve:  []  false low",
		"host add --owner me":                         "missing: <host>",
		"host add h1":                                 "missing: --owner",
		"host add h1 --owner":                         "--owner has no value: give --owner TEXT",
		"host add h1 --owner nobody --force":          "--force wants an owner",
		"host list x":                                 `unexpected argument "x": host list takes none`,
		"host add h1 --owner me --kind odd":           "give one of real, virtual",
		"host add h1 --ownr me":                       "unknown flag: --ownr, did you mean --owner?",
		"host ad h1":                                  `unknown command "host ad", did you mean host add?`,
		"hots add h1":                                 `unknown command "hots", did you mean host?`,
		"list":                                        `unknown command "list", did you mean host list?`,
		"frobnicate":                                  `unknown command "frobnicate"; want one of host, serve`,
		"host":                                        "host is only the beginning of a command; want one of host add, host list",
		"":                                            "no command given; want one of host, serve",
		"help frobnicate":                             `unknown command "frobnicate"; want one of host, serve`,
		"help settngs":                                `unknown command "settngs", did you mean settings?`,
	} {
		set, do, settings := lab()
		read, err := set.Read(strings.Fields(line))
		if err == nil {
			err = read.TakeArguments()
		}
		got := fmt.Sprintf("%s: %s %s %s %t %s", read.Name, do.Host, do.Labels, do.Owner, do.Force, settings.Level)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || err != nil && !strings.HasSuffix(got, want) {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

// `help` before a command is --help behind it, and shows what the command needs first.
func TestHelp(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"help":      {"Usage: lab <command> [flags]", "It is for tests.", "host add   Add a host.", "serve      Serve", "All settings: lab help settings"},
		"help host": {"Usage: lab host <command> [flags]", "host list"},
		"help host add": {
			"Usage: lab host add <host> [<labels>...] [flags]", "More about adding.", "  an example that stays as it is",
			"Example:\n  lab host add h1 --owner me", "<host>", "--server TEXT   Where to call ($TEST_SERVER).", "--kind real|virtual",
		},
		"help settings": {"Every command of lab accepts these", "--level low|high", "(default low)"},
	} {
		set, _, _ := lab()
		behind := append(strings.Fields(line)[1:], "--help")
		read, err := set.Read(strings.Fields(line))
		if err != nil || !read.Help {
			t.Fatalf("%s: %v", line, err)
		}
		text := read.Describe()
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", line, part, text)
			}
		}
		for row := range strings.Lines(text) {
			if len(row) > 81 {
				t.Errorf("%s: more than 80 columns: %s", line, row)
			}
		}
		if behind[0] == "settings" {
			continue // no command
		}
		if again, err := set.Read(behind); err != nil || again.Describe() != text {
			t.Errorf("%q shows another help: %v", behind, err)
		}
	}
}

// The shell is offered what may stand next, and nothing that may not.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"|":                  {"host", "serve", "help"},
		"host |":             {"add", "list"},
		"host a|":            {"add"},
		"help se|":           {"serve", "settings"},
		"host add --k|":      {"--kind"},
		"host add --kind |":  {"real", "virtual"},
		"host add --kind=v|": {"--kind=virtual"},
		"--level |":          {"low", "high"},
		"serve |":            nil,
		"nonsense |":         {"host", "serve", "help"},
	} {
		set, _, _ := lab()
		words := strings.Split(strings.TrimSuffix(line, "|"), " ")
		var got []string
		for row := range strings.Lines(set.Complete(words)) {
			word, _, _ := strings.Cut(strings.TrimSuffix(row, "\n"), "\t")
			got = append(got, word)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		c := &Completion{Program: "shard-lab", Shell: shell}
		script := c.Script()
		if err := c.Validate(); err != nil || !strings.Contains(script, " "+CompletionWord+" ") || !strings.Contains(script, "shard_lab_complete") ||
			strings.Contains(script, "@PROGRAM@") || strings.Contains(script, "@ASK@") {
			t.Errorf("%s: %v\n%s", shell, err, c.Script())
		}
	}
	if err := (&Completion{Program: "lab", Shell: "tcsh"}).Validate(); err == nil || !strings.Contains(err.Error(), "bash, zsh, fish") {
		t.Errorf("tcsh: %v", err)
	}
}

// The manual page has every command, flag and argument, and nothing in it that roff would obey.
func TestManual(t *testing.T) {
	t.Parallel()
	set, _, _ := lab()
	page := set.Manual(".SH FILES\n")
	for _, part := range []string{
		`.TH "LAB" 1`, `.SH NAME` + "\n" + `lab \- does things`, `.SS lab host add <host> [<labels>...]`, `\fB\-\-owner\fR`, ".SH SETTINGS", "Default: low.", ".SH FILES\n",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("no %q in\n%s", part, page)
		}
	}
	if got := roff("a-b\n.so \\x\n'c"); got != "a\\-b\n\\&.so \\ex\n\\&'c" {
		t.Errorf("%q", got)
	}
}
