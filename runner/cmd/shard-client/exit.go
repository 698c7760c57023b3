package main

import (
	"errors"
	"io"
	"syscall"

	"shardclient/runner/hint"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/screen"
	"shardclient/schema"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // at run time
	exitUsage  = 2 // command line or settings
	exitHeld   = 3 // another client holds the lock
	exitSchema = 4 // the database has another schema than this binary, or its server is too old
)

// usageError is a mistake in flags, environment or settings.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errBeatFailed ends `once` after its result has said what failed.
var errBeatFailed = errors.New("the heartbeat failed")

// results is stdout. It remembers the first error: a result that nobody got is no success, on a
// full disk as little as in a pipe whose reader is gone. SIGPIPE, which would end other programs
// there, is ignored.
type results struct {
	io.Writer
	failed   error
	terminal bool
}

func (r *results) Write(text []byte) (int, error) {
	shown := text
	if r.terminal {
		shown = screen.Escaped(text)
	}
	n, err := r.Writer.Write(shown)
	if n = min(n, len(text)); err == nil {
		n = len(text)
	}
	if r.failed == nil {
		r.failed = err
	}
	return n, err
}

// printError says that a result was not printed.
type printError struct{ cause error }

func (e *printError) Error() string { return "print the result: " + e.cause.Error() }
func (e *printError) Unwrap() error { return e.cause }

// readerGone reports whether the reader of stdout is gone. Like `ls | head -1`, a command is silent
// then.
func readerGone(err error) bool {
	_, unprinted := errors.AsType[*printError](err)
	return unprinted && errors.Is(err, syscall.EPIPE)
}

// arrived returns the error of a command, or why its result was not printed.
func (r *results) arrived(err error) error {
	// The writer's own error is that of a command which looks at it.
	if r.failed != nil && (err == nil || errors.Is(err, errBeatFailed) || errors.Is(err, r.failed)) {
		return &printError{r.failed}
	}
	return err
}

// unprinted returns why something was not printed.
func (p *program) unprinted() error {
	if out, ok := p.stdout.(*results); ok {
		return out.arrived(nil)
	}
	return nil
}

// exitCode prints the error, unless a printed result has said it already, and returns the exit code
// for it.
func (p *program) exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	p.sources.Explain(err)
	if !errors.Is(err, errBeatFailed) && !readerGone(err) {
		p.say("shard-client: " + p.secrets.RedactError(err) + "\n" + below(hint.For("", err)))
	}
	if codeOf(err) == exitUsage {
		p.sayUnread() // the setting that is missing may be there, misspelt
	}
	return codeOf(err)
}

// below is the line with what to do, for people.
func below(remedy string) string {
	if remedy == "" {
		return ""
	}
	return "hint: " + remedy + "\n"
}

func codeOf(err error) int {
	var usage *usageError
	var copied *lock.CopyError // wants a flag
	var held *lock.HeldError
	var wrongSchema *schema.VersionError
	var oldServer *pg.ServerError
	switch {
	case errors.As(err, &usage), errors.As(err, &copied):
		return exitUsage
	case errors.As(err, &held):
		return exitHeld
	case errors.As(err, &wrongSchema), errors.As(err, &oldServer):
		return exitSchema
	default:
		return exitFailed
	}
}

// needsOperator reports whether an error has an exit code of its own: no later attempt mends it.
func needsOperator(err error) bool { return err != nil && codeOf(err) != exitFailed }
