package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/loop"
	"shardclient/runner/shard"
	"shardclient/schema"
)

type onceCommand struct{}

// Run beats once. The time it takes to connect counts to the first phase.
func (*onceCommand) Run(ctx context.Context, p *program) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var report beat.Report
	if err := schema.Check(ctx, s.pool); err != nil {
		if wrong := (*schema.VersionError)(nil); errors.As(err, &wrong) {
			return err
		}
		report.PackedMS = float64(time.Since(p.began).Microseconds()) / 1000
		shard.Fail(&report, err, p.secrets.Redact)
	} else {
		report = s.client.Beat(ctx, p.began)
	}
	if report.Fatal {
		return report.Err
	}
	loop.Log(p.log, &report)
	return p.printReport(&report)
}

func (p *program) printReport(r *beat.Report) error {
	if p.settings.Output == "json" {
		if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
	} else if r.OK() {
		fmt.Fprintf(p.stdout, "heartbeat ok: knew %d jobs and %d hosts, uploaded %d jobs with %d entries, "+
			"received %d hosts, %d jobs and %d keyvals, set aside %d\n",
			r.KnownJobs, r.KnownHosts, r.UploadedJobs, r.UploadedEntries,
			r.ReceivedHosts, r.ReceivedJobs, r.ReceivedKeyvals, r.Quarantined)
		fmt.Fprintf(p.stdout, "pack %.1f ms, rpc %.1f ms, acknowledge %.1f ms, apply %.1f ms\n",
			r.PackedMS, r.RPCMS, r.AckMS, r.ApplyMS)
	} else {
		fmt.Fprintf(p.stdout, "heartbeat failed (%s): %s\n", r.Failure, r.Error)
	}
	if !r.OK() {
		return errBeatFailed
	}
	return nil
}
