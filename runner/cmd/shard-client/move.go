package main

import (
	"context"

	"shardclient/runner/moving"
)

type importCommand struct{ moving.Import }

func (c *importCommand) Run(_ context.Context, p *program) error { return moving.Start(p.arguments) }

type exportCommand struct{ moving.Export }

func (c *exportCommand) Run(_ context.Context, p *program) error { return moving.Start(p.arguments) }
