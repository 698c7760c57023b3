package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// results is stdout. It remembers the first error: a result that nobody got is no success. That the
// reader of a pipe is gone ends the process instead, by SIGPIPE.
type results struct {
	io.Writer
	failed error
}

func (r *results) Write(text []byte) (int, error) {
	n, err := r.Writer.Write(text)
	if r.failed == nil {
		r.failed = err
	}
	return n, err
}

// arrived returns the error of a command, or why its result was not printed.
func (r *results) arrived(err error) error {
	if r.failed != nil && err == nil {
		return fmt.Errorf("print the result: %w", r.failed)
	}
	return err
}

// unprinted returns why something was not printed.
func (o output) unprinted() error {
	if r, ok := o.stdout.(*results); ok {
		return r.failed
	}
	return nil
}

// passedOn is stdout for a child process, which reports its own errors.
func (o output) passedOn() io.Writer {
	if r, ok := o.stdout.(*results); ok {
		return r.Writer
	}
	return o.stdout
}

// screen is stdout for a show that draws on a terminal.
func (o output) screen() io.Writer {
	if file, ok := o.passedOn().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return o.stdout
}
