package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shardclient/runner/lab/demo"
)

type demoCommand struct {
	Client string `placeholder:"PATH" help:"The shard-client program; default: the one beside this program."`
	Watch  bool   `help:"Go on with small suites and more faults until Ctrl-C."`
	Seed   uint64 `default:"1" help:"Decides how long jobs run, which fail, in which order the schedulers write, and the faults of --watch."`
}

// Help is what --help says below the usage line.
func (*demoCommand) Help() string {
	return `Plays a lab live on a private PostgreSQL: a master, three shards, each with a scheduler and a shard-client, 60 hosts
and 600 jobs in suites. Some jobs are aborted, a host moves to another shard, a shard-client and the master are killed
and started again, and a shard-client loses its connections to PostgreSQL. The last line is the verdict, counted from
the databases of both sides.

A terminal shows a picture of it, in colours unless NO_COLOR is set; a dumb one, a pipe or a file gets lines.
With --watch, the first Ctrl-C lets both sides come to rest, and the second ends it at once.

Exit codes: 0 both sides agree, or stopped by Ctrl-C; 1 they differ or something failed.`
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
	patient, stop := secondSignal(ctx)
	defer stop()
	play := demo.Demo{
		Client: client,
		Lab:    self,
		Out:    out.screen(),
		Watch:  c.Watch,
		Seed:   c.Seed,
		Hurry:  patient.Done(),
		Logger: slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = play.Run(ctx)
	switch {
	case errors.Is(err, context.Canceled): // whoever stops it has not failed
		return nil
	case errors.Is(err, demo.ErrFailed):
		return &exitError{exitFailed}
	}
	return err
}

// secondSignal returns a context that ends with a signal after the one that ends the other context.
// A third one kills the process.
func secondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	second, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		time.AfterFunc(sameSignal/2, func() {
			signalled, stop := signal.NotifyContext(second, os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(signalled, func() { stop(); cancel() })
		})
	})
	return second, cancel
}
