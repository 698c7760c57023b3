package main

import (
	"context"
	"errors"
	"fmt"
	"go/doc/comment"
	"reflect"
	"slices"
	"strings"

	"shardclient/runner/flags"
)

// command is what shard-lab can be asked for. The fields of do are its flags (see package flags)
// and, with a tag arg, its arguments. One without do only stands before others.
type command struct {
	name, about string
	do          runner
}

type runner interface {
	Run(ctx context.Context, out output) error
}

func commands() []command {
	return []command{
		{"", "A laboratory on a desk: what a shard needs around it, on one machine.", nil},
		{"demo", "Play a whole lab live: a master, three shards, and faults.", &demoCommand{}},
		{"replay", "Play a shard's first heartbeats, recorded with a real master.", &replayCommand{}},
		{"simulate", "Measure how many shards a master can serve.", &simulateCommand{}},
		{"bench", "Measure shard-client against what PostgreSQL itself needs.", &benchCommand{}},
		{"postgres", "Start a private PostgreSQL, for a while or for one command.", &postgresCommand{}},
		{"master", "Serve heartbeats as a master does, with a database of yours.", &masterCommand{}},
		{"scheduler", "Run the toy scheduler on a shard's database, until a signal.", &schedulerCommand{}},

		{"shard", "Shards and their labels.", nil},
		{"shard add", "Add a shard, or give more labels to one.", &shardAdd{}},
		{"shard list", "List shards.", &shardList{}},
		{"shard remove", "Remove a shard, or take labels from it.", &shardRemove{}},
		{"label", "Labels and the hosts that carry them.", nil},
		{"label add", "Add labels.", &labelAdd{}},
		{"label list", "List labels, their shards, and how many hosts carry them.", &labelList{}},
		{"label remove", "Remove a label that no shard, host or open job uses.", &labelRemove{}},
		{"label attach", "Give a label to hosts.", &labelAttach{}},
		{"label detach", "Take a label from hosts.", &labelDetach{}},
		{"host", "Hosts: add, lock, move, remove.", nil},
		{"host add", "Add hosts; each goes to the shard that has one of its labels.", &hostAdd{}},
		{"host list", "List hosts.", &hostList{}},
		{"host lock", "Keep hosts from being used.", &hostLock{}},
		{"host unlock", "Let hosts be used again.", &hostUnlock{}},
		{"host lease", "Keep hosts from being sent to a shard.", &hostLease{}},
		{"host release", "Let hosts be sent to a shard.", &hostRelease{}},
		{"host move", "Take hosts to another board, and with it to another shard.", &hostMove{}},
		{"host remove", "Remove hosts, and abort their open entries.", &hostRemove{}},
		{"job", "Jobs and suites: create, abort.", nil},
		{"job create", "Create a job, or a suite of jobs.", &jobCreate{}},
		{"job list", "List jobs, the newest first.", &jobList{}},
		{"job abort", "Abort jobs and their child jobs.", &jobAbort{}},
		{"user", "Users and ACL groups.", nil},
		{"user add", "Add users, and the ACL groups that they are in.", &userAdd{}},
		{"user list", "List users and their ACL groups.", &userList{}},
	}
}

// asked is what a command line asks for.
type asked struct {
	command
	Help    bool `short:"h" help:"Show this help."`
	Version bool `help:"Print the version and exit."`
}

// read reads a command line into the fields of its command.
func read(args []string) (asked, error) {
	a := asked{command: commands()[0]}
	set := flags.New(&a)
	set.SetInterspersed(false)
	for a.do == nil { // one word of its name after the other
		if err := flags.Parse(set, args); err != nil || set.NArg() == 0 {
			return a, errors.Join(err, a.unfinished(""))
		}
		name := strings.TrimSpace(a.name + " " + set.Arg(0))
		next := slices.IndexFunc(commands(), func(c command) bool { return c.name == name })
		if next < 0 {
			return a, a.unfinished(set.Arg(0))
		}
		a.command, args = commands()[next], set.Args()[1:]
	}
	flags.New(a.do).VisitAll(set.AddFlag)
	set.SetInterspersed(true)
	err := flags.Parse(set, args)
	if err != nil || a.Help || a.Version {
		return a, err
	}
	if err := errors.Join(flags.FromEnvironment(set), takeArguments(a.do, set.Args())); err != nil {
		return a, err
	}
	if c, ok := a.do.(interface{ Validate() error }); ok {
		return a, c.Validate()
	}
	return a, nil
}

// unfinished returns the error of a command line that ends too early, or goes on with a wrong word.
func (a *asked) unfinished(word string) error {
	if word == "" && (a.Help || a.Version) {
		return nil
	}
	var names []string
	for _, c := range commands() {
		rest, ok := strings.CutPrefix(c.name, strings.TrimLeft(a.name+" ", " "))
		if ok && len(strings.Fields(rest)) == 1 {
			names = append(names, c.name)
		}
	}
	want := "; want one of " + strings.Join(names, ", ")
	switch name := strings.TrimSpace(a.name + " " + word); {
	case name == "":
		return errors.New("no command given" + want)
	case word == "":
		return fmt.Errorf("%s is only the beginning of a command%s", name, want)
	default:
		return fmt.Errorf("unknown command %q%s", name, want)
	}
}

// below returns the commands whose names begin with that of this one.
func (c *command) below() []command {
	return slices.DeleteFunc(commands(), func(other command) bool {
		return other.do == nil || c.name != "" && !strings.HasPrefix(other.name, c.name+" ")
	})
}

// takeArguments puts words into the fields with the tag arg, of which a list takes all that are
// left. The error names what is missing or too much.
func takeArguments(do runner, words []string) error {
	var missing []string
	fields := reflect.ValueOf(do).Elem()
	for _, field := range reflect.VisibleFields(fields.Type()) {
		_, argument := field.Tag.Lookup("arg")
		if !argument && field.Tag.Get("required") == "" {
			continue
		}
		value := fields.FieldByIndex(field.Index)
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
		case *ids:
			for _, word := range words {
				if err := to.add(word); err != nil {
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
		return fmt.Errorf("unexpected argument %s", words[0])
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
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

// help describes a command with its flags and arguments, and the commands below it.
func (a *asked) help() string {
	usage, about, rows, all := "shard-lab "+a.name, a.about, "", *a
	set := flags.New(&all)
	if a.do == nil {
		usage = strings.TrimSpace(usage) + " <command>"
	} else {
		flags.New(a.do).VisitAll(set.AddFlag)
		for _, field := range reflect.VisibleFields(reflect.TypeOf(a.do).Elem()) {
			if text, ok := field.Tag.Lookup("arg"); ok {
				usage += " " + shown(field)
				rows += row(shown(field), text)
			}
		}
	}
	if c, ok := a.do.(interface{ Help() string }); ok {
		about += "\n\n" + c.Help()
	}
	text := "Usage: " + usage + " [flags]\n\n" + wrap(about, 0)
	if rows != "" {
		text += "\nArguments:\n" + rows
	}
	text += flags.Help(set)
	title := ""
	for _, c := range a.below() {
		heading := "Commands"
		if strings.Contains(c.name, " ") {
			heading = "Edit the master's database"
		}
		if a.do != nil {
			break
		} else if heading != title {
			title, text = heading, text+"\n"+heading+":\n"
		}
		text += row(c.name, c.about)
	}
	return text
}

const column = 18 // where the second column begins

func row(left, right string) string {
	return fmt.Sprintf("  %-*s  %s", column-4, left, strings.TrimSpace(wrap(right, column))+"\n")
}

// wrap breaks paragraphs into lines of 80 columns. An indented one stays as it is.
func wrap(text string, indent int) string {
	printer := comment.Printer{TextPrefix: strings.Repeat(" ", indent), TextCodePrefix: "  ", TextWidth: 80 - indent}
	return string(printer.Text(new(comment.Parser).Parse(text)))
}
