package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"shardclient/runner/lab"
)

// exitInterrupted is what a shell reports of a command that Ctrl-C ended.
const exitInterrupted = 130

type replayCommand struct {
	Client string `placeholder:"PATH" help:"The shard-client program to show; default: the one beside this program."`
}

// Help is what --help says below the usage line.
func (*replayCommand) Help() string {
	return `Runs the real shard-client on a private PostgreSQL against a recorded master, one heartbeat after the other,
and compares every request and every stored row with the recording. The last line is the verdict.

Exit codes: 0 everything agrees, 1 something differs or failed, 130 stopped by Ctrl-C.`
}

// Run returns an *exitError after a failure that the replay itself has told.
func (c *replayCommand) Run(ctx context.Context, out output) error {
	client, err := c.find()
	if err != nil {
		return err
	}
	replay := lab.Replay{
		Client: client,
		Out:    out.stdout,
		Logger: slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = replay.Run(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted}
	case errors.Is(err, lab.ErrReplayFailed):
		return &exitError{exitFailed}
	}
	return err
}

// find returns the absolute path of the program to show.
func (c *replayCommand) find() (string, error) {
	path := c.Client
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find shard-client beside this program: %w; name it with --client PATH", err)
		}
		path = filepath.Join(filepath.Dir(self), "shard-client")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("find shard-client: %w; build it with make build, or name it with --client PATH", err)
	}
	return path, nil
}
