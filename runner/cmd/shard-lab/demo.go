package main

import (
	"context"
	"errors"
	"log/slog"

	"shardclient/runner/lab/demo"
)

type demoCommand struct {
	Client string `placeholder:"PATH" help:"The shard-client program; default: the one beside this program."`
	Watch  bool   `help:"Keep creating small suites until Ctrl-C."`
	Seed   uint64 `default:"1" help:"Decides how long jobs run, which fail, and in which order the schedulers write."`
}

// Help is what --help says below the usage line.
func (*demoCommand) Help() string {
	return `Plays a lab live on a private PostgreSQL: a master, three shards, each with a scheduler and a shard-client, 60 hosts
and 600 jobs in suites. Some jobs are aborted, a host moves to another shard, and a shard-client and the master are
killed and started again. The last line is the verdict, counted from the databases of both sides.

Exit codes: 0 both sides agree, 1 they differ or something failed, 130 stopped by Ctrl-C.`
}

// Run returns an *exitError after a failure that the demo itself has reported.
func (c *demoCommand) Run(ctx context.Context, out output) error {
	client, err := findProgram(c.Client, "shard-client")
	if err != nil {
		return err
	}
	self, err := findProgram("", "shard-lab")
	if err != nil {
		return err
	}
	play := demo.Demo{
		Client: client,
		Lab:    self,
		Out:    out.screen(),
		Watch:  c.Watch,
		Seed:   c.Seed,
		Logger: slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = play.Run(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted}
	case errors.Is(err, demo.ErrFailed):
		return &exitError{exitFailed}
	}
	return err
}
