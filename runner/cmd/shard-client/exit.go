package main

import (
	"errors"

	"shardclient/runner/lock"
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

// usageError is a mistake in flags, environment or settings.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errBeatFailed ends `once` after its result has said what failed.
var errBeatFailed = errors.New("the heartbeat failed")

// exitCode prints the error, unless a printed result has said it already, and returns the exit code
// for it.
func (p *program) exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errBeatFailed) {
		p.say("shard-client: " + p.secrets.RedactError(err) + "\n")
	}
	return codeOf(err)
}

func codeOf(err error) int {
	var usage *usageError
	var copied *lock.CopyError // wants a flag
	var held *lock.HeldError
	var wrongSchema *schema.VersionError
	switch {
	case errors.As(err, &usage), errors.As(err, &copied):
		return exitUsage
	case errors.As(err, &held):
		return exitHeld
	case errors.As(err, &wrongSchema):
		return exitSchema
	default:
		return exitFailed
	}
}

// needsOperator reports whether an error has an exit code of its own: no later attempt mends it.
func needsOperator(err error) bool { return err != nil && codeOf(err) != exitFailed }
