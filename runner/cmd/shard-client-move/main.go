// Command shard-client-move moves a shard between the MySQL of Autotest's Python client and
// PostgreSQL. `shard-client import` and `shard-client export` start it with their own arguments. It
// is a program of its own so that shard-client, which runs for years, does not carry the driver of
// a database that it never meets again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/pflag"

	"shardclient/runner/command"
	"shardclient/runner/config"
	"shardclient/runner/hint"
	"shardclient/runner/lock"
	"shardclient/runner/move"
	"shardclient/runner/moving"
	"shardclient/runner/pg"
	"shardclient/runner/screen"
	"shardclient/runner/secrets"
	"shardclient/schema"
)

// version is set by the linker.
var version = "unknown"

// Exit codes, as those of shard-client.
const (
	exitFailed = 1
	exitUsage  = 2
	exitHeld   = 3
	exitSchema = 4
)

// program is one start.
type program struct {
	stdout, stderr io.Writer
	settings       *config.Config
	sources        *config.Sources
	flags          *pflag.FlagSet
	secrets        *secrets.Secrets
}

// runner is what each command does.
type runner interface {
	Run(ctx context.Context, p *program) error
}

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{stdout: os.Stdout, stderr: os.Stderr}
	err := p.run(ctx, os.Args[1:])
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	stop()
	if err == nil {
		return
	}
	p.sources.Explain(err)
	fmt.Fprintln(p.stderr, "shard-client: "+p.secrets.RedactError(err))
	if remedy := remedyOf(err); remedy != "" {
		fmt.Fprintln(p.stderr, "hint: "+remedy)
	}
	os.Exit(codeOf(err))
}

// told is an error whose cause says nothing about what was stored.
type told struct {
	error
	hint string
}

func (e *told) Unwrap() error { return e.error }

// Hint says what to do about it.
func (e *told) Hint() string { return e.hint }

var errInterrupted error = &told{
	errors.New("interrupted by a signal"),
	"start it again: nothing was changed, unless the signal came behind the last step: then an import says that everything is here, and an export may be done twice",
}

// remedyOf returns what to do about an error; "": its text says it.
func remedyOf(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return "connect as the role that owns the tables in --database-url; that of the client may not do this"
	}
	_, says := errors.AsType[interface {
		error
		Hint() string
	}](err)
	remedy := hint.For("", err)
	if remedy == "" && !says && codeOf(err) == exitFailed {
		return "mend the cause and start it again: an import or export that fails changes nothing, and one of which only the end was lost may be started again, too"
	}
	return remedy
}

func codeOf(err error) int {
	switch {
	case is[usageError](err), is[*move.AddressError](err), is[*config.SettingError](err), is[*lock.CopyError](err):
		return exitUsage
	case is[*lock.HeldError](err):
		return exitHeld
	case is[*schema.VersionError](err), is[*pg.ServerError](err):
		return exitSchema
	}
	return exitFailed
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// run does what the command line asks for.
func (p *program) run(ctx context.Context, args []string) error {
	p.settings = &config.Config{}
	set := &command.Set{
		Program: moving.Program, Shared: p.settings, Topic: "settings",
		Commands: append([]command.Command{{Name: "", About: "Moves a shard between MySQL and PostgreSQL."}},
			moving.Commands(&importCommand{}, &exportCommand{})...),
	}
	line, err := set.Read(args)
	p.flags = line.Flags
	var broken error
	p.sources, broken = p.settings.Complete(line.Flags)
	p.secrets = p.settings.Secrets(args)
	p.secrets.Add(os.Getenv("MYSQL_PWD"))
	if err == nil && line.Version && !line.Help {
		fmt.Fprintln(p.stdout, moving.Program, version)
		return nil
	} else if err == nil && !line.Help {
		err = line.TakeArguments()
	}
	if err == nil && line.Help {
		fmt.Fprint(p.stdout, line.Describe())
		return nil
	}
	if err = errors.Join(err, broken, p.settings.ValidateDatabase()); err != nil {
		return usageError{err}
	}
	return line.Do.(runner).Run(ctx, p)
}

// onShard calls use with the lock of the shard held.
func (p *program) onShard(ctx context.Context, use func(*lock.Lock) error) error {
	door := &pg.Door{
		URL: string(p.settings.DatabaseURL), Name: moving.Program, Redact: p.secrets.RedactOwn,
		Password: func() (string, error) {
			password, err := p.settings.DatabasePassword()
			p.secrets.Add(password)
			return password, err
		},
	}
	pool, err := door.Open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := schema.Check(ctx, pool); err != nil {
		return err
	}
	host, _ := os.Hostname()
	held, err := lock.New(pool, fmt.Sprintf("%s %s on %s, pid %d", moving.Program, version, host, os.Getpid()))
	if err != nil {
		return err
	}
	if err := held.Hold(ctx); err != nil {
		return err
	}
	defer held.Release(context.WithoutCancel(ctx))
	return use(held)
}

// print prints a report of what is done already.
func (p *program) print(report interface{ Text() string }, dryRun bool) (err error) {
	if p.settings.Output == "json" {
		err = json.NewEncoder(p.stdout).Encode(report)
	} else {
		_, err = io.WriteString(p.stdout, report.Text())
	}
	switch {
	case err == nil:
		return nil
	case dryRun:
		return &told{fmt.Errorf("print the report: %w", err), "let it print where there is room, and start it again: nothing is changed"}
	}
	return &told{
		fmt.Errorf("print the report: %w; all that it tells of is done", err),
		"let it print where there is room, and start it again: an import then compares, an export may be done twice; --dry-run into a new database has an import's report",
	}
}

type importCommand struct{ moving.Import }

func (c *importCommand) Run(ctx context.Context, p *program) error {
	address, err := p.mysql("from", c.From, c.PasswordFile)
	if err != nil {
		return err
	}
	from, err := move.Open(ctx, address)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer from.Close()
	var report *move.Report
	at, end := screen.Progress(p.stderr)
	err = p.onShard(ctx, func(l *lock.Lock) (err error) {
		report, err = move.Import(ctx, from, l, move.Options{All: c.All, DryRun: c.DryRun, At: at})
		return err
	})
	end()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return p.print(report, c.DryRun)
}
