package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"shardclient/runner/lab/bench"
)

type benchCommand struct {
	Client   string `placeholder:"PATH" help:"The shard-client to measure; default: the one beside this program."`
	Base     string `placeholder:"PATH" help:"Another build of shard-client, to measure beside it."`
	Jobs     sizes  `placeholder:"N,..." help:"Sizes of answers, in jobs; default: 1000,10000,50000, quick: 1000,10000."`
	Rounds   int    `placeholder:"N" help:"How often each figure is measured, and three times as often what takes milliseconds (pack, master); default: 5, quick: 1."`
	Finished int64  `placeholder:"N" help:"Finished jobs beside which idle beats are measured; default: 1000000, quick: 50000."`
	Beats    int    `placeholder:"N" help:"Idle beats after which a client must not have grown; default: 100000, quick: 1000."`
	Quick    bool   `help:"Within 90 s, and without judging times."`
	Report   string `placeholder:"DIR" help:"Write table.md, time.svg and memory.svg to this directory."`
	Only     list   `placeholder:"PART" help:"Measure only these parts."`
}

// Help is what --help says below the usage line.
func (*benchCommand) Help() string {
	return `Measures the built shard-client against what PostgreSQL itself needs for the same rows, on a private PostgreSQL
that waits for its disk, and prints a table. It fails when a figure is worse than it may ever be, even in the better
quarter of its rounds. Parts: ` + strings.Join(bench.Sections(), ", ") + `.`
}

// Validate refuses values that make no sense.
func (c *benchCommand) Validate() error {
	if len(c.Jobs) > 0 && (slices.Min(c.Jobs) < 1 || !slices.IsSorted(c.Jobs)) {
		return errors.New("--jobs must be numbers from 1 on, the smallest first")
	}
	if c.Rounds < 0 || c.Finished < 0 || c.Beats < 0 {
		return errors.New("--rounds, --finished and --beats must not be negative (0: the default)")
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
	self, err := findProgram("", "shard-lab")
	if err != nil {
		return err
	}
	b := bench.Bench{
		Client:   client,
		Base:     c.Base,
		Lab:      self,
		Jobs:     c.Jobs,
		Rounds:   c.Rounds,
		Finished: c.Finished,
		Beats:    c.Beats,
		Quick:    c.Quick,
		Only:     c.Only,
		Report:   c.Report,
		Out:      out.stdout,
		Logger:   slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	c.size(&b)
	err = b.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return &exitError{exitInterrupted}
	}
	return err
}

// size fills in what was not asked for.
func (c *benchCommand) size(b *bench.Bench) {
	jobs, rounds, finished, beats := []int{1000, 10_000, 50_000}, 5, int64(1_000_000), 100_000
	if c.Quick {
		jobs, rounds, finished, beats = []int{1000, 10_000}, 1, 50_000, 1000
	}
	if len(b.Jobs) == 0 {
		b.Jobs = jobs
	}
	b.Rounds, b.Finished = cmp.Or(b.Rounds, rounds), cmp.Or(b.Finished, finished)
	b.Beats = cmp.Or(b.Beats, beats)
}
