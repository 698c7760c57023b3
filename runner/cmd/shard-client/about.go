package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"shardclient/runner/command"
	"shardclient/schema"
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

// printVersion prints the version of the binary and that of the schema it needs.
func (p *program) printVersion(context.Context) error {
	latest, err := schema.Latest()
	if err != nil {
		return err
	}
	if p.settings.Output == "json" {
		return json.NewEncoder(p.stdout).Encode(map[string]any{"version": version, "schema_version": latest})
	}
	fmt.Fprintf(p.stdout, "shard-client %s, schema version %d\n", version, latest)
	return nil
}
