package main

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/schema"
)

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
