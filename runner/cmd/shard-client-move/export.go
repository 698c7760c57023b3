package main

import (
	"context"
	"fmt"

	"shardclient/runner/lock"
	"shardclient/runner/move"
	"shardclient/runner/moving"
	"shardclient/runner/screen"
)

type exportCommand struct{ moving.Export }

func (c *exportCommand) Run(ctx context.Context, p *program) error {
	address, err := p.mysql("to", c.To, c.PasswordFile)
	if err != nil {
		return err
	}
	var report *move.Returned
	at, end := screen.Progress(p.stderr)
	err = p.onShard(ctx, func(l *lock.Lock) (err error) {
		report, err = move.Export(ctx, l, address, move.Options{DryRun: c.DryRun, At: at, Program: moving.Program})
		return err
	})
	end()
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return p.print(report, c.DryRun)
}
