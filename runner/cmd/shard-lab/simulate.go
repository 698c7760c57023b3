package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"shardclient/runner/lab/simulation"
)

type simulateCommand struct {
	Shards        int           `default:"10" help:"Clients, each with a schema of its own."`
	HostsPerShard int           `default:"10" help:"Hosts of each shard."`
	JobsPerShard  int           `default:"100" help:"Open jobs of each shard."`
	Pause         time.Duration `default:"10s" help:"Time between two beats of a shard."`
	Duration      time.Duration `default:"60s" help:"How long to measure, once every shard has received its jobs."`
	Masters       int           `default:"1" help:"Master processes, which share one database."`
	Finish        float64       `default:"0.02" help:"Share of its jobs that a shard finishes between two beats; as many new ones come."`
	Protocol      string        `enum:"2015,2019" default:"2019" help:"Version that the masters speak."`
}

// Help is what --help says below the usage line.
func (*simulateCommand) Help() string {
	return `Lets many clients beat to real master processes and measures what that costs. The clients run in this process,
each with a schema of its own on a private PostgreSQL; the masters and their PostgreSQL are separate processes. Nothing
is synced to disk. It prints a table at the end, and fails unless both sides agree.`
}

// Validate refuses values that make no sense.
func (c *simulateCommand) Validate() error {
	switch {
	case c.Shards < 1, c.Masters < 1, c.HostsPerShard < 0, c.JobsPerShard < 1:
		return errors.New("--shards, --masters and --jobs-per-shard must be at least 1, --hosts-per-shard not negative")
	case c.Pause <= 0, c.Duration <= 0:
		return errors.New("--pause and --duration must be longer than 0")
	case c.Finish < 0 || c.Finish > 1:
		return errors.New("--finish must be from 0 to 1")
	}
	return nil
}

// Run simulates until the duration is over or a signal comes.
func (c *simulateCommand) Run(ctx context.Context, out output) error {
	self, err := findProgram("", "shard-lab")
	if err != nil {
		return err
	}
	s := simulation.Simulation{
		Shards:        c.Shards,
		HostsPerShard: c.HostsPerShard,
		JobsPerShard:  c.JobsPerShard,
		Pause:         c.Pause,
		Duration:      c.Duration,
		Masters:       c.Masters,
		Finish:        c.Finish,
		Protocol:      c.Protocol,
		Lab:           self,
		Out:           out.stdout,
		Logger:        slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = s.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return &exitError{exitInterrupted}
	}
	return err
}
