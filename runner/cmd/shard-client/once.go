package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/hint"
	"shardclient/runner/loop"
	"shardclient/runner/plain"
	"shardclient/runner/screen"
	"shardclient/runner/shard"
)

// beatAndPrint beats once. The time that it takes to connect counts to the first phase.
func (p *program) beatAndPrint(ctx context.Context) error {
	end := func() {}
	if p.isWatched() {
		end = screen.Patience(p.stderr, "the beat is under way")
		defer end()
	}
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	report, err := p.beatOnce(ctx, c)
	end() // before the result is printed
	if err != nil {
		return err
	}
	report.Hint = hint.For(report.Failure, report.Err)
	switch {
	case p.isWatched(): // the result is read there
	case report.Failure == beat.FailureStopped:
		p.log.Info("stopped before the beat began")
	default:
		loop.Log(p.log, &report)
	}
	return p.printReport(&report)
}

// isWatched reports whether somebody reads the result as it comes, and has asked for no log.
func (p *program) isWatched() bool { return p.terminal.both() && !p.wantsLog }

// beforeRetry tells whoever waits at a terminal for `once` why it takes so long.
func (p *program) beforeRetry(retry afe.Retry) {
	if p.terminal.err && p.once {
		if screen.Is(p.stderr) {
			p.say(screen.ClearLine)
		}
		p.say(fmt.Sprintf("shard-client: try %d of %d failed: %s; next in %v\n",
			retry.Try, retry.Of, plain.Line(p.secrets.RedactError(retry.Err), maxErrorText), retry.Wait))
	}
}

// beatOnce returns an error where the operator is needed: for a wrong schema, a lock that another
// client holds, a copied database, a pooler. A database that is down is a failed beat.
func (p *program) beatOnce(ctx context.Context, c *client) (beat.Report, error) {
	var report beat.Report
	watch := beat.NewStopwatch(p.began)
	watch.Start(&report.PackedMS)
	err := c.checkSchema(ctx)
	switch {
	case needsOperator(err):
		return report, err
	case err != nil && ctx.Err() == nil:
		shard.Fail(&report, err, p.secrets.RedactError)
	case !p.begins(ctx): // an error is that of what the signal cut short
		report.Fail(errStopped, beat.FailureStopped, errStopped.Error())
	default:
		report = c.Beat(ctx, p.began)
		p.inHand.Store(false)
		if report.Fatal {
			err = report.Err
		}
		return report, err
	}
	watch.Stop()
	return report, nil
}

// errStopped says that `once` has done nothing.
var errStopped = errors.New("told to stop before the beat began; nothing was sent and nothing was stored")

func (p *program) printReport(r *beat.Report) error {
	if p.settings.Output == "json" {
		if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
			return err
		}
	} else if p.terminal.out {
		fmt.Fprintln(p.stdout, r.Description())
	} else {
		fmt.Fprintln(p.stdout, r.Summary())
	}
	if !r.OK() {
		if p.isWatched() {
			p.say(below(r.Hint))
		}
		return errBeatFailed
	}
	return nil
}
