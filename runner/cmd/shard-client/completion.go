package main

import (
	"context"
	_ "embed"
	"fmt"

	"shardclient/runner/command"
)

type completionCommand struct{ command.Completion }

func (c *completionCommand) Run(_ context.Context, p *program) error {
	fmt.Fprint(p.stdout, c.Script())
	return nil
}

//go:embed manual.man
var manualEnd string

// printManual prints the manual page. It is stored in deploy/man, too.
func (p *program) printManual(context.Context) error {
	fmt.Fprint(p.stdout, p.commandLines().Manual(manualEnd))
	return nil
}
