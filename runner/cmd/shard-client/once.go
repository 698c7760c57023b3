package main

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/runner/beat"
	"shardclient/runner/loop"
	"shardclient/runner/shard"
)

// beatAndPrint beats once. The time that it takes to connect counts to the first phase.
func (p *program) beatAndPrint(ctx context.Context) error {
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	p.inHand.Store(true)
	report, err := p.beatOnce(ctx, c)
	if err != nil {
		return err
	}
	loop.Log(p.log, &report)
	return p.printReport(&report)
}

// beatOnce returns an error where the operator is needed: for a wrong schema, and for a lock that
// another client holds. A database that is down is a failed beat.
func (p *program) beatOnce(ctx context.Context, c *client) (beat.Report, error) {
	var report beat.Report
	watch := beat.NewStopwatch(p.began)
	watch.Start(&report.PackedMS)
	if err := c.checkSchema(ctx); err != nil {
		if needsOperator(err) {
			return report, err
		}
		watch.Stop()
		shard.Fail(&report, err, p.secrets.RedactError)
		return report, nil
	}
	report = c.Beat(ctx, p.began)
	if report.Fatal {
		return report, report.Err
	}
	return report, nil
}

func (p *program) printReport(r *beat.Report) error {
	if p.settings.Output == "json" {
		if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(p.stdout, r.Summary())
	}
	if !r.OK() {
		return errBeatFailed
	}
	return nil
}
