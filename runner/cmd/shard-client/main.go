// Command shard-client keeps a shard's database in agreement with its master, one heartbeat at a
// time.
//
// # Where to look
//
// This package is wiring only: flags to settings, parts to each other, outcome to exit code. What
// the parts do stands in their own packages: runner/config has the settings, runner/loop when a
// shard beats, runner/shard what a beat does, runner/ops what operators see of it.
//
// Each command has a file of its own: run.go, once.go, check.go, status.go, history.go,
// migrate.go, about.go; what people mend is in runner/repair. A
// start goes through parse.go (the command line), this file, the file of the command, and exit.go
// (the exit code). open.go makes the client of a shard out of its parts, for run and once.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"shardclient/runner/command"
	"shardclient/runner/config"
	"shardclient/runner/deaths"
	"shardclient/runner/moving"
	"shardclient/runner/ops"
	"shardclient/runner/secrets"
)

// version is set by the linker.
var version = "unknown"

// program is one start of shard-client.
type program struct {
	began          time.Time
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       attended
	root           bool // runs as root
	settings       *config.Config
	sources        *config.Sources
	broken         error    // what is wrong with the settings, for commands that go on all the same
	typed          bool     // --database-url is on the command line, which ps shows to everyone
	unread         []string // variables of the environment that look like settings, but are none
	wantsLog       bool     // --log-level is given
	looks          bool     // at a server that takes no writes
	once           bool     // the command is once
	adoption
	secrets  *secrets.Secrets
	log      *slog.Logger
	lines    *ops.Output                          // where log's lines go
	after    func(time.Duration) <-chan time.Time // nil: time.After
	deaths   atomic.Pointer[deaths.Register]      // of run
	inHand   atomic.Bool                          // a beat is under way
	stopping sync.Mutex                           // no beat begins while the first signal is handled
}

// attended says what of the output people read as it comes.
type attended struct{ out, err bool }

func (t attended) both() bool { return t.out && t.err }

func main() {
	// A write to a pipe whose reader is gone would end the process, in the middle of a beat, before
	// anybody could handle the error.
	signal.Ignore(syscall.SIGPIPE)
	garbage.Set()
	p := &program{
		began: time.Now(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: os.Geteuid() == 0,
		terminal: attended{out: term.IsTerminal(int(os.Stdout.Fd())), err: term.IsTerminal(int(os.Stderr.Fd()))},
	}
	os.Exit(p.run(os.Args[1:]))
}

// run returns the exit code.
func (p *program) run(args []string) int {
	out := &results{Writer: p.stdout, terminal: p.terminal.out}
	p.stdout = out
	if len(args) > 0 && args[0] == command.CompletionWord { // at each press of the tab key, in any environment
		p.settings = &config.Config{}
		fmt.Fprint(p.stdout, p.commandLines().Complete(args[1:]))
		return exitOK
	}
	asked, code := p.parse(args)
	if asked == nil {
		return code
	}
	if err := p.openLog(asked.Name); err != nil {
		return p.exitCode(&usageError{err})
	}
	ctx, stop := p.untilSignal(asked.Name)
	var err error
	switch do := asked.Do.(type) {
	case runner:
		err = do.Run(ctx, p)
	case mending:
		err = do.Run(ctx, p.desk())
	default:
		err = moving.Start(args)
	}
	stop()
	_ = p.lines.Close() // every line has been written, or cannot be
	return p.exitCode(out.arrived(err))
}

// beats reports whether a command beats.
func beats(command string) bool { return command == "run" || command == "once" }

// lastWords is how long the process waits at its end for a reader of stderr that is stuck.
const lastWords = 2 * time.Second

// openLog opens a log file only for the commands that beat: the short commands of an operator would
// otherwise push the files of the resident client out of the directory.
func (p *program) openLog(command string) (err error) {
	options := ops.LogOptions{
		Writer: p.stderr, Format: p.settings.LogFormat, Level: p.settings.Level(),
		Redact: p.secrets.RedactOwn, RedactError: p.secrets.RedactError, Patience: lastWords,
	}
	if beats(command) {
		options.Dir = p.settings.LogDir
	}
	p.log, p.lines, err = ops.NewLogger(options)
	return err
}

// say prints a line on stderr, and gives up when it is stuck.
func (p *program) say(line string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.WriteString(p.stderr, line) // nobody else could be told
	}()
	select {
	case <-said:
	case <-time.After(lastWords):
	}
}
