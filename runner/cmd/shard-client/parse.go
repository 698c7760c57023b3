package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/command"
	"shardclient/runner/config"
	"shardclient/runner/flags"
	"shardclient/runner/migrate"
	"shardclient/runner/moving"
	"shardclient/runner/repair"
)

// runner is what each command does. See package command for its flags and arguments.
type runner interface {
	Run(ctx context.Context, p *program) error
}

// simple is a command without flags or arguments of its own.
type simple func(*program, context.Context) error

func (run simple) Run(ctx context.Context, p *program) error { return run(p, ctx) }

var (
	toBeat     = []string{"shard-hostname", "master", "database-url"}
	toDatabase = []string{"database-url", "database-password-file"}
)

func commands() []command.Command {
	return slices.Concat([]command.Command{
		{Name: "", About: "Keeps a shard's database in agreement with its master, one heartbeat at a time.",
			More: "A heartbeat uploads finished jobs to the master, and stores the hosts and jobs of its answer. " +
				"It needs three settings: the name of the shard, the master, and the shard's PostgreSQL. " +
				"A new database needs `migrate up` first."},
		{Name: "run", About: "Beat until stopped.", Do: &runCommand{}, Needs: toBeat,
			Example: "shard-client run --shard-hostname shard1 --master afe.example --listen :9464",
			More: "The first SIGINT or SIGTERM finishes the beat in hand, a second one ends it. A database that is " +
				"down is waited for, and a failed beat is tried again. Without --lifetime it ends only where somebody must act: " +
				"with exit code 2 (settings), 3 (another client has this shard) or 4 (schema)."},
		{Name: "once", About: "Beat once and print the result.", Do: &onceCommand{}, Needs: toBeat,
			Example: "shard-client once --shard-hostname shard1 --master afe.example",
			More: "The exit code is 0 when the beat is ok, and 1 when it failed; the result says why. At a terminal " +
				"it is set for people; --output json is for programs."},
		{Name: "check", About: "Look whether this shard can beat, and say what is in the way.", Do: &checkCommand{}, Needs: toBeat,
			Example: "shard-client check --shard-hostname shard1 --master afe.example"},
		{Name: "status", About: "Say how this shard is, from its database alone.", Do: &statusCommand{}, Needs: toDatabase,
			Example: "shard-client status --watch"},
		{Name: "history", About: "List the last beats.", Do: &historyCommand{}, Needs: toDatabase,
			Example: "shard-client history --since 2h --failed"},
		{Name: "migrate", About: "Bring the schema of the database up or down, or show where it is."},
		{Name: "migrate up", About: "Apply every pending migration.", Do: &migrating{run: (*migrate.Sets).Up}, Needs: toDatabase,
			Example: "shard-client migrate up --database-url postgres://owner@localhost/shard",
			More:    "The role must own the tables. Other commands never migrate; they refuse a schema that is not theirs."},
		{Name: "migrate down", About: "Take the newest migration back, with its tables and rows.",
			Do: &migrating{run: (*migrate.Sets).Down}, Needs: toDatabase,
			Example: "shard-client migrate down --database-url postgres://owner@localhost/shard",
			More:    "One step at a time. Stop shard-client first: what the tables of that step hold is lost."},
		{Name: "migrate status", About: "List the migrations and when they were applied.",
			Do: &migrating{run: (*migrate.Sets).Status}, Needs: toDatabase,
			Example: "shard-client migrate status --database-url postgres://localhost/shard"},
	}, repair.Commands(toDatabase), moving.Commands(&moving.Import{}, &moving.Export{}), []command.Command{
		{Name: "config", About: "Print every setting, its value, and where that is from.",
			Do: simple((*program).printConfig), Needs: []string{"autotest-config", "output"},
			Example: "shard-client config --autotest-config /usr/local/autotest/global_config.ini"},
		{Name: "completion", About: "Print the script that completes command lines in a shell.",
			Do:      &completionCommand{command.Completion{Program: "shard-client"}},
			Example: "source <(shard-client completion bash)"},
		{Name: "man", About: "Print the manual page.", Do: simple((*program).printManual),
			Example: "shard-client man | man -l -"},
		{Name: "version", About: "Print version and schema version.", Do: simple((*program).printVersion), Needs: []string{"output"},
			Example: "shard-client version --output json"},
	})
}

// adoption is a flag of `run` and `once` alone. It is no setting: in an environment it would stay
// for ever, and every copy would be welcome.
type adoption struct {
	Adopt bool `help:"Serve a database that is a copy, or was restored; once, when the other one is served no more."`
}

type runCommand struct{ adoption }

func (c *runCommand) Run(ctx context.Context, p *program) error {
	p.adoption = c.adoption
	return p.beatAndTell(ctx)
}

type onceCommand struct {
	adoption
	DryRun bool `help:"Say what the beat would send and change, and send and change nothing."`
}

func (c *onceCommand) Run(ctx context.Context, p *program) error {
	if c.DryRun {
		return p.desk().Rehearse(ctx)
	}
	p.adoption = c.adoption
	return p.beatAndPrint(ctx)
}

// tolerant are the commands that answer in a broken environment.
var tolerant = []string{"check", "completion", "config", "man", "version"}

// commandLines are all that this program can be asked for.
func (p *program) commandLines() *command.Set {
	return &command.Set{Program: "shard-client", Commands: commands(), Shared: p.settings, Topic: "settings"}
}

// parse reads the command line and checks the settings. After --help and after usage errors it
// returns no command, but the exit code.
func (p *program) parse(args []string) (*command.Line, int) {
	p.settings = &config.Config{} // for every command, so that one environment serves them all
	line, err := p.commandLines().Read(args)
	p.typed = line.Flags.Changed("database-url")
	sources, broken := p.settings.Complete(line.Flags)
	p.sources = sources
	p.wantsLog = line.Flags.Changed("log-level")
	p.once = line.Name == "once"
	// In the shell of a move, those of an import stay while other commands run.
	p.unread = flags.Unread("SHARD_CLIENT_", line.Flags, flags.New(&moving.Import{}), flags.New(&moving.Export{}))
	p.secrets = p.settings.Secrets(args)
	if err == nil && line.Version && !line.Help {
		line.Name, line.Do = "version", simple((*program).printVersion)
	} else if err == nil && !line.Help {
		err = line.TakeArguments()
	}
	if err == nil && line.Help {
		fmt.Fprint(p.stdout, line.Describe())
		return nil, p.exitCode(p.unprinted())
	}
	if broken = errors.Join(broken, p.settings.ValidateSettings()); broken != nil {
		sources.Explain(broken) // before its text becomes part of another one
		broken = fmt.Errorf("%w\ntry: shard-client help settings", broken)
	}
	if err != nil {
		err = fmt.Errorf("%w\ntry: %s --help", err, strings.TrimSpace("shard-client "+line.Name))
	} else if p.broken = broken; !slices.Contains(tolerant, line.Name) {
		err = broken
	}
	if err != nil {
		return nil, p.exitCode(&usageError{err})
	}
	return line, exitOK
}

// mending is what a command of package repair does.
type mending interface {
	Run(ctx context.Context, d *repair.Desk) error
}

// desk returns what the commands of package repair work at.
func (p *program) desk() *repair.Desk {
	d := &repair.Desk{
		Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, OnTerminal: p.terminal.out, JSON: p.settings.Output == "json",
		Hostname: p.settings.ShardHostname, Who: thisProcess(), LockTimeout: p.settings.LockTimeout,
		Database: p.database, Protocol: afe.Protocol2019,
		Look:     func(ctx context.Context) (*pgxpool.Pool, error) { return p.look(ctx, p.database) },
		Sessions: func(ctx context.Context) (*pgxpool.Pool, error) { return p.look(ctx, p.reach) },
		Misused:  func(err error) error { return &usageError{err} },
	}
	if p.settings.Protocol == string(afe.Protocol2015) {
		d.Protocol = afe.Protocol2015
	}
	d.Reader = func(pool *pgxpool.Pool) (repair.Previewer, error) { return p.newShard(pool, repair.Nobody(d.Protocol)) }
	return d
}
