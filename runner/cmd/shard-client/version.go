package main

import (
	"encoding/json"
	"fmt"

	"shardclient/schema"
)

type versionCommand struct{}

// Run prints the version of the binary and that of the schema it needs.
func (*versionCommand) Run(p *program) error {
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
