// Command shard-client keeps a shard's database in agreement with its master, one heartbeat at a
// time.
//
// # Where to look
//
// This package is wiring only: flags to settings, parts to each other, outcome to exit code. What
// the parts do stands in their own packages: runner/config has the settings, runner/loop when a
// shard beats, runner/shard what a beat does, runner/ops what operators see of it.
//
// Each command has a file of its own: run.go, once.go, migrate.go, quarantine.go, version.go. A
// start goes through parse.go (the command line), this file, the file of the command, and exit.go
// (the exit code). open.go makes the client of a shard out of its parts, for run and once.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"shardclient/runner/config"
	"shardclient/runner/ops"
)

// version is set by the linker.
var version = "unknown"

// program is one start of shard-client.
type program struct {
	began          time.Time
	stdout, stderr io.Writer
	root           bool // runs as root
	settings       *config.Config
	typed          map[string]bool // the flags on the command line, which ps shows to everyone
	secrets        *config.Secrets
	log            *slog.Logger
}

func main() {
	p := &program{
		began:  time.Now(),
		stdout: os.Stdout,
		stderr: os.Stderr,
		root:   os.Geteuid() == 0,
	}
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
	defer func() { _ = closeLog() }() // every line has been written
	ctx, stop := p.untilSignal()
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	return p.exitCode(command.Run(p))
}

// openLog opens a log file only for the commands that beat: the short commands of an operator would
// otherwise push the files of the resident client out of the directory.
func (p *program) openLog(command string) (func() error, error) {
	options := ops.LogOptions{
		Writer: p.stderr,
		Format: p.settings.LogFormat,
		Level:  p.settings.Level(),
		Redact: p.secrets.Redact,
	}
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
