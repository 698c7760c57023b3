package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"shardclient/runner/lab/replay"
)

// exitInterrupted is the exit code that a shell reports for a command that Ctrl-C ended.
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

// Run returns an *exitError after a failure that the replay itself has reported.
func (c *replayCommand) Run(ctx context.Context, out output) error {
	client, err := findProgram(c.Client, "shard-client")
	if err != nil {
		return err
	}
	show := replay.Replay{
		Client: client,
		Out:    out.stdout,
		Logger: slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	err = show.Run(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted}
	case errors.Is(err, replay.ErrFailed):
		return &exitError{exitFailed}
	}
	return err
}

// findProgram returns the absolute path of a program. Without a path that is the program of this
// name in the directory of shard-lab itself.
func findProgram(path, name string) (string, error) {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find %s beside this program: %w; name it with --client PATH", name, err)
		}
		path = filepath.Join(filepath.Dir(self), name)
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("find %s: %w; build it with make build, or name it with --client PATH", name, err)
	}
	return path, nil
}
