package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shardclient/runner/command"
)

type completionCommand struct {
	Shell string `arg:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help says where the scripts belong.
func (c *completionCommand) Help() string {
	return "The packages bring the scripts. Otherwise, for every user of this machine, write the " +
		"output to the file in which the shell looks for it:\n\n" +
		"  bash  /usr/share/bash-completion/completions/shard-client\n" +
		"  zsh   /usr/share/zsh/vendor-completions/_shard-client\n" +
		"  fish  /usr/share/fish/vendor_completions.d/shard-client.fish"
}

// Validate refuses a shell for which there is no script.
func (c *completionCommand) Validate() error {
	if shells := strings.Split(command.Shells, ","); !slices.Contains(shells, c.Shell) {
		return fmt.Errorf("no script for the shell %q: give one of %s", c.Shell, strings.Join(shells, ", "))
	}
	return nil
}

func (c *completionCommand) Run(_ context.Context, p *program) error {
	fmt.Fprint(p.stdout, command.Script(c.Shell, "shard-client"))
	return nil
}
