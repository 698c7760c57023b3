package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/hint"
	"shardclient/runner/operator"
	"shardclient/runner/plain"
	"shardclient/runner/screen"
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
	pool, err := p.look(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if !c.Watch {
		status, err := p.status(ctx, pool)
		if err != nil {
			return err
		}
		return p.showStatus(status, p.screen())
	}
	return c.watch(ctx, p, pool)
}

// watch shows the status until a signal. A database that is away for a while is told, and asked
// again.
func (c *statusCommand) watch(ctx context.Context, p *program, pool *pgxpool.Pool) error {
	after := p.after
	if after == nil {
		after = time.After
	}
	for first := true; ; first = false {
		out := p.screen() // which may have another size by now
		var text strings.Builder
		page := out
		page.Writer = &text
		status, err := p.status(ctx, pool)
		if err == nil {
			err = p.showStatus(status, page)
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if err != nil {
			told := "no answer: " + plain.Line(p.secrets.RedactError(err), maxErrorText)
			if p.settings.Output == "json" {
				p.say("shard-client: " + told + "\n")
			}
			text.WriteString(out.Paint(screen.Red, out.Wrap(told, 0)) + "\n")
		}
		if err == nil || p.settings.Output != "json" {
			err = c.print(p, out, text.String(), first)
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-after(c.Interval):
		}
	}
}

// print draws over what stood before on a terminal, and goes on below it elsewhere.
func (c *statusCommand) print(p *program, out screen.Out, text string, first bool) error {
	if out.Width > 0 && p.settings.Output != "json" {
		return out.Picture(text)
	}
	if !first && p.settings.Output != "json" {
		text = "\n" + text
	}
	_, err := fmt.Fprint(out, text)
	return err
}

func (p *program) status(ctx context.Context, pool *pgxpool.Pool) (*operator.Status, error) {
	status, err := operator.ReadStatus(ctx, pool, p.settings.HeartbeatPause, time.Local)
	if err == nil {
		status.Hint = hint.Of(status.Failure)
	}
	return status, err
}

func (p *program) showStatus(status *operator.Status, out screen.Out) error {
	if p.settings.Output == "json" {
		return json.NewEncoder(out).Encode(status)
	}
	return status.Show(out)
}
