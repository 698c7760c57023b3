package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"shardclient/runner/lab/bench"
)

type benchCommand struct {
	Client string   `placeholder:"PATH" help:"The shard-client to measure; default: the one beside this program."`
	Base   string   `placeholder:"PATH" help:"Another build of shard-client, to measure beside it."`
	Jobs   []int    `default:"1000,10000,50000" help:"Sizes of answers, in jobs."`
	Rounds int      `default:"5" help:"How often each figure is measured."`
	Quick  bool     `help:"Within 90 s, and without judging times."`
	Only   []string `placeholder:"PART" help:"Measure only these parts."`
}

// Help is what --help says below the usage line.
func (*benchCommand) Help() string {
	return `Measures the built shard-client against what PostgreSQL itself needs for the same rows, on a private PostgreSQL
that waits for its disk, and prints a table. It fails when a figure is worse than it may ever be, even in the better
quarter of its rounds. Parts: ` + strings.Join(bench.Sections(), ", ") + `.`
}

// Validate is called by kong.
func (c *benchCommand) Validate() error {
	if len(c.Jobs) == 0 || slices.Min(c.Jobs) < 1 || !slices.IsSorted(c.Jobs) {
		return errors.New("--jobs must be numbers from 1 on, the smallest first")
	}
	if c.Rounds < 1 {
		return errors.New("--rounds must be at least 1")
	}
	for _, part := range c.Only {
		if !slices.Contains(bench.Sections(), part) {
			return fmt.Errorf("--only %s: want one of %s", part, strings.Join(bench.Sections(), ", "))
		}
	}
	return nil
}

// Run measures until everything is measured or a signal comes.
func (c *benchCommand) Run(ctx context.Context, out output) error {
	client, err := findProgram(c.Client, "shard-client")
	if err != nil {
		return err
	}
	b := bench.Bench{
		Client: client,
		Base:   c.Base,
		Jobs:   c.Jobs,
		Rounds: c.Rounds,
		Quick:  c.Quick,
		Only:   c.Only,
		Out:    out.stdout,
		Logger: slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = b.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return &exitError{exitInterrupted}
	}
	return err
}
