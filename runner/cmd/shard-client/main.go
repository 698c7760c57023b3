// Command shard-client keeps a shard's database in agreement with its master,
// one heartbeat at a time. This package is wiring only: flags to settings, parts
// to each other, outcome to exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"shardclient/runner/config"
	"shardclient/runner/lock"
	"shardclient/runner/ops"
	"shardclient/schema"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // at run time
	exitUsage  = 2 // command line or settings
	exitHeld   = 3 // another client holds the lock
	exitSchema = 4 // the database has another schema than this binary
)

// version is set by the linker.
var version = "unknown"

// commandLine is what kong parses. Every command accepts every setting, so that
// one environment serves them all.
type commandLine struct {
	config.Config `embed:""`

	RunCommand   runCommand        `cmd:"" name:"run" help:"Beat until stopped."`
	Once         onceCommand       `cmd:"" help:"Beat once and tell how it went."`
	Migrate      migrateCommand    `cmd:"" help:"Bring the schema of the database up or down, or show where it is."`
	Quarantine   quarantineCommand `cmd:"" help:"Objects that could not be stored or sent."`
	PrintVersion versionCommand    `cmd:"" name:"version" help:"Print version and schema version."`
}

// program is one start of shard-client.
type program struct {
	began          time.Time
	stdout, stderr io.Writer
	root           bool // runs as root
	settings       *config.Config
	typed          map[string]bool // the flags of the command line, as ps shows it
	secrets        *config.Secrets
	log            *slog.Logger
}

func main() {
	p := &program{began: time.Now(), stdout: os.Stdout, stderr: os.Stderr, root: os.Geteuid() == 0}
	os.Exit(p.run(os.Args[1:]))
}

// run returns the exit code.
func (p *program) run(args []string) int {
	command, code := p.parse(args)
	if command == nil {
		return code
	}
	closeLog, err := p.openLog(command.Command())
	if err != nil {
		return p.exitCode(&usageError{err})
	}
	defer closeLog()
	ctx, stop := p.untilSignal()
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	return p.exitCode(command.Run(p))
}

// openLog gives only those who beat a file: an operator's short commands would
// otherwise push the files of the resident client out of the directory.
func (p *program) openLog(command string) (func() error, error) {
	options := ops.LogOptions{Writer: p.stderr, Format: p.settings.LogFormat, Level: p.settings.Level(), Redact: p.secrets.Redact}
	if command == "run" || command == "once" {
		options.Dir = p.settings.LogDir
	}
	log, file, err := ops.NewLogger(options)
	if err != nil {
		return nil, err
	}
	p.log = log
	return file.Close, nil
}

// parse returns nothing to run after --help and usage errors.
func (p *program) parse(args []string) (*kong.Context, int) {
	exited, code := false, exitOK
	line := &commandLine{}
	options := append(config.Options(),
		kong.Name("shard-client"),
		kong.Description("Keeps a shard's database in agreement with its Autotest master, one heartbeat at a time."),
		kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		// kong exits after --help; tests could not see that.
		kong.Exit(func(status int) { exited, code = true, status }),
	)
	parser, err := kong.New(line, options...)
	if err != nil {
		panic(err) // a mistake in the tags above
	}
	command, err := parser.Parse(args)
	if asksForVersion(err) {
		for _, flag := range parser.Model.Flags {
			flag.Tag.Envs = nil
		}
		command, err = parser.Parse(args)
	}
	p.settings, p.secrets = &line.Config, line.Secrets(args)
	switch {
	case exited:
		return nil, code
	case err != nil:
		return nil, p.exitCode(&usageError{fmt.Errorf("%w\ntry: shard-client --help", err)})
	}
	p.typed = typed(command)
	if command.Command() == "version" {
		return command, exitOK // answers in a broken environment too
	}
	if err := line.ValidateSettings(); err != nil {
		return nil, p.exitCode(&usageError{err})
	}
	return command, exitOK
}

// asksForVersion reports whether a command line that could not be used is that of version. It answers
// whatever the environment holds: an operator asks it when something is wrong.
func asksForVersion(err error) bool {
	var unusable *kong.ParseError
	return errors.As(err, &unusable) && unusable.Context.Command() == "version"
}

// sameSignal is how close two signals are one: timeout(1) signals its child and
// then the child's whole group.
const sameSignal = 50 * time.Millisecond

// untilSignal ends its context at the first SIGINT or SIGTERM: the beat in hand
// is finished. The second one ends the process at once.
func (p *program) untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var first time.Time
		for received := range signals {
			switch {
			case first.IsZero():
				first = time.Now()
				p.log.Info("stopping after the beat in hand; a second signal stops at once",
					"signal", received.String(), "stop_timeout_ms", p.settings.StopTimeout.Milliseconds())
				cancel()
			case time.Since(first) > sameSignal:
				p.log.Warn("stopped at once by a second signal", "signal", received.String())
				os.Exit(exitFailed)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// usageError is a mistake in flags, environment or settings.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errBeatFailed ends `once` when its result tells the rest.
var errBeatFailed = errors.New("the heartbeat failed")

// exitCode says what went wrong, unless a printed result has said it.
func (p *program) exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errBeatFailed) {
		fmt.Fprintf(p.stderr, "shard-client: %s\n", p.secrets.Redact(err.Error()))
	}
	var usage *usageError
	var held *lock.HeldError
	var wrongSchema *schema.VersionError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &held):
		return exitHeld
	case errors.As(err, &wrongSchema):
		return exitSchema
	default:
		return exitFailed
	}
}
