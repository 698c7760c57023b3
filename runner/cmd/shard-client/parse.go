package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"shardclient/runner/config"
	"shardclient/runner/flags"
)

// command is what shard-client can be asked for. One without run only stands before others.
type command struct {
	name, about string
	run         func(*program, context.Context) error
}

var commands = []command{
	{"", "Keeps a shard's database in agreement with its master, one heartbeat at a time.", nil},
	{"run", "Beat until stopped.", (*program).beatUntilStopped},
	{"once", "Beat once and print the result.", (*program).beatAndPrint},
	{"migrate", "Bring the schema of the database up or down, or show where it is.", nil},
	{"migrate up", "Apply every pending migration.", (*program).migrateUp},
	{"migrate down", "Take the newest migration back, with its tables and rows.", (*program).migrateDown},
	{"migrate status", "List the migrations and when they were applied.", (*program).migrateStatus},
	{"quarantine", "Objects that could not be stored or sent.", nil},
	{"quarantine list", "List what was set aside, and why.", (*program).listQuarantine},
	{"version", "Print version and schema version.", (*program).printVersion},
}

// parse reads the command line and checks the settings. After --help and after usage errors it
// returns no command, but the exit code.
func (p *program) parse(args []string) (*command, int) {
	var line struct {
		Help    bool `short:"h" help:"Show this help."`
		Version bool `help:"Print version and schema version, as the command version does."`
		adoption
		config.Config // for every command, so that one environment serves them all
	}
	set := flags.New(&line)
	err := flags.Parse(set, args)
	p.typed, p.adoption = set.Changed("database-url"), line.adoption
	broken := flags.FromEnvironment(set)
	p.unread = flags.Unread(set, "SHARD_CLIENT_")
	p.settings, p.secrets = &line.Config, line.Secrets(args)
	asked, wrong := find(set.Args())
	if line.Version && !line.Help {
		asked, wrong = find([]string{"version"})
	}
	if wrong == nil && line.Adopt && !beats(asked.name) {
		wrong = fmt.Errorf("--adopt is a flag of run and once, not of %s", asked.name)
	}
	if err == nil && line.Help && asked.about != "" {
		fmt.Fprint(p.stdout, asked.help(set))
		return nil, p.exitCode(p.unprinted())
	}
	tolerant := asked.name == "version" // it answers in a broken environment
	if err = cmp.Or(err, wrong); err == nil && !tolerant {
		err = broken
	}
	if err != nil {
		err = fmt.Errorf("%w\ntry: shard-client --help", err)
	} else if !tolerant {
		err = line.ValidateSettings()
	}
	if err != nil {
		return nil, p.exitCode(&usageError{err})
	}
	return asked, exitOK
}

// find returns the command of this name. The error of one that cannot run says which can.
func find(words []string) (*command, error) {
	asked, rest := &commands[0], words
	for len(rest) > 0 {
		name := strings.TrimSpace(asked.name + " " + rest[0])
		next := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
		if next < 0 {
			break
		}
		asked, rest = &commands[next], rest[1:]
	}
	var names []string
	for _, c := range asked.below() {
		names = append(names, c.name)
	}
	want := "; want one of " + strings.Join(names, ", ")
	switch {
	case asked.run != nil && len(rest) == 0:
		return asked, nil
	case asked.run != nil:
		return &command{}, fmt.Errorf("%s takes no arguments, but got %q", asked.name, strings.Join(rest, " "))
	case len(rest) > 0:
		return &command{}, fmt.Errorf("unknown command %q%s", strings.Join(words, " "), want)
	case asked.name != "":
		return asked, fmt.Errorf("%s is only the beginning of a command%s", asked.name, want)
	}
	return asked, errors.New("no command given" + want)
}

// below returns the commands that begin with the words of this one.
func (c *command) below() []command {
	return slices.DeleteFunc(slices.Clone(commands), func(other command) bool {
		return other.run == nil || !strings.HasPrefix(other.name, c.name)
	})
}

// help hides what a command has no use for, and puts the commands before the long list of flags.
func (c *command) help(set *pflag.FlagSet) string {
	set.Lookup("adopt").Hidden = !beats(c.name)
	set.Lookup("version").Hidden = c.name != ""
	if c.name == "version" {
		set.VisitAll(func(flag *pflag.Flag) { flag.Hidden = flag.Name != "help" && flag.Name != "output" })
	}
	usage := "Usage: " + strings.TrimSpace("shard-client "+c.name)
	if c.run != nil {
		return fmt.Sprintf("%s [flags]\n\n%s\n%s", usage, c.about, flags.Help(set))
	}
	text := fmt.Sprintf("%s <command> [flags]\n\n%s\n\nCommands:\n", usage, c.about)
	for _, below := range c.below() {
		text += fmt.Sprintf("  %-15s  %s\n", below.name, below.about)
	}
	return text + flags.Help(set)
}
