package main

import (
	"context"
	"fmt"
	"time"

	"shardclient/runner/hint"
	"shardclient/runner/operator"
)

type statusCommand struct {
	Watch    bool          `short:"w" help:"Say it again and again, until Ctrl-C."`
	Interval time.Duration `default:"2s" help:"Time between two looks of --watch."`
}

// Help implements the interface of package command.
func (c *statusCommand) Help() string {
	return "Whether a client runs, how its last beats went and how long they took, what waits to be uploaded, what is open " +
		"and what is set aside. The client itself is not asked, so it need not run. A shard that fails is no failure of this " +
		"command: it ends with 0 whenever it could answer; scripts read `state` of --output json: ok, failing, silent, " +
		"stopped or new.\n\n" +
		"Nothing is changed, and no question takes longer than five seconds. Ages are by the clock of the database. The end " +
		"of a job has no time zone there: it is taken to be in that of this machine (TZ)."
}

// Validate implements the interface of package command.
func (c *statusCommand) Validate() error {
	if c.Interval < leastInterval {
		return fmt.Errorf("--interval %v is too short: give %v or more", c.Interval, leastInterval)
	}
	return nil
}

// leastInterval keeps a forgotten --watch from being a load.
const leastInterval = 100 * time.Millisecond

func (c *statusCommand) Run(ctx context.Context, p *program) error {
	pool, err := p.look(ctx, p.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	w := &operator.Watch{
		Read: func() (*operator.Status, error) {
			status, err := operator.ReadStatus(ctx, pool, p.settings.HeartbeatPause, time.Local)
			if err == nil {
				status.Hint = hint.Recorded(status.Failure, status.Error)
				if status.State == operator.StateStopped && status.Hint == "" {
					status.Hint = "if it should run, read the end of its log, then start it"
				}
			}
			return status, err
		},
		Out: p.screen, JSON: p.settings.Output == "json", Interval: c.Interval, After: p.after,
		Redact: p.secrets.RedactError, Say: func(text string) { p.say("shard-client: " + text + "\n") },
	}
	if c.Watch {
		return w.Run(ctx)
	}
	return w.Once()
}
