package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"shardclient/runner/operator"
)

type historyCommand struct {
	Limit  int    `default:"20" help:"Most beats to list."`
	Since  string `placeholder:"AGE|TIME" help:"Only beats that began since then: 2h, 2026-11-29, 2026-11-29T14:05 or with a zone, as 2026-11-29T14:05:00Z."`
	Failed bool   `help:"Only beats that failed."`

	since time.Time
}

// Help implements the interface of package command.
func (c *historyCommand) Help() string {
	return "The newest beat stands last. KNOWN are the jobs and hosts that the packet named as known, UP the finished jobs that " +
		"went up, DOWN the jobs and hosts that came, ASIDE what was set aside. Times are in UTC, by the clock of the client.\n\n" +
		"On a terminal an error stands below its beat, and a long one is cut; in a file, a pipe and with --output json, " +
		"which prints an object a line, it is whole."
}

// Validate implements the interface of package command.
func (c *historyCommand) Validate() (err error) {
	if c.Limit < 1 {
		return fmt.Errorf("--limit %d: give 1 or more", c.Limit)
	}
	if c.Since != "" {
		c.since, err = moment(c.Since, time.Now())
	}
	return err
}

// moment reads an age or a time. One without a zone is in that of this machine.
func moment(text string, now time.Time) (time.Time, error) {
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	for _, form := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
	} {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is neither an age nor a time: give 90m, 24h, 2026-11-29 or 2026-11-29T14:05", text)
}

func (c *historyCommand) Run(ctx context.Context, p *program) error {
	pool, err := p.look(ctx, p.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	beats, err := operator.History(ctx, pool, operator.Which{Most: int64(c.Limit), Since: c.since, Failed: c.Failed})
	if err != nil {
		return err
	}
	slices.Reverse(beats)
	if p.settings.Output == "json" {
		lines := json.NewEncoder(p.stdout)
		for i := range beats {
			err = errors.Join(err, lines.Encode(&beats[i]))
		}
		return err
	}
	if len(beats) == 0 {
		fmt.Fprintln(p.stdout, "no such beat in the history")
		return nil
	}
	return operator.ShowHistory(p.screen(), beats)
}
