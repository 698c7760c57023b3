package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"shardclient/runner/check"
	"shardclient/runner/config"
)

type checkCommand struct{}

// Help implements the interface of package command.
func (c *checkCommand) Help() string {
	return "Settings, database, rights, tables, lock, master, clocks, disks and addresses, a line each: ok, warn, fail, or skipped where " +
		"something else has to be mended first. A line that is not ok says what to do. It ends with 1 when something fails, " +
		"and with 0 otherwise. Run it as the user, and with the settings, of the service.\n\n" +
		"Nothing is changed: neither here, where a client may run meanwhile, nor on the master, which is asked for its shards, " +
		"its time and its version, but for no heartbeat. (An AFE notes every caller as a user, as it does at the first heartbeat.)"
}

// errCheckFailed ends `check` after its lines have said what failed.
var errCheckFailed = fmt.Errorf("a check failed: %w", errBeatFailed)

func (c *checkCommand) Run(ctx context.Context, p *program) error {
	out := p.screen()
	var results []check.Result
	p.checks().Run(ctx, func(r check.Result) {
		results = append(results, r)
		if p.settings.Output != "json" {
			_ = r.Show(out) // p.stdout remembers the error
		}
	})
	if p.settings.Output == "json" {
		if err := json.NewEncoder(out).Encode(results); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "\n%s\n", check.Count(results))
	}
	if ctx.Err() != nil {
		return errors.New("stopped before all was checked")
	}
	if check.Worst(results) == check.Fail {
		return errCheckFailed
	}
	return nil
}

// checks makes the checks out of the settings. What is wrong with these is the first of the
// results.
func (p *program) checks() *check.Checks {
	s := p.settings
	c := &check.Checks{
		ShardHostname: s.ShardHostname, Protocol: s.Protocol, UserAgent: "shard-client/" + version,
		SpoolDir: s.SpoolDir, MaxResponseBytes: int64(s.MaxResponseBytes), LogDir: s.LogDir, StateDir: s.StateDir,
		Listen: s.Listen, PprofListen: s.PprofListen,
		Redact: p.secrets.RedactError, Explain: p.direct,
	}
	mistakes := errors.Join(errors.Unwrap(p.broken), s.ValidateShard())
	p.sources.Explain(mistakes)
	log := p.log
	c.Settings = check.Settings(mistakes, p.secrets.RedactOwn, func(l *slog.Logger) {
		p.log = l
		p.warn()
		p.log = log
	})
	if c.DatabaseError = p.checkDatabase(); c.DatabaseError == nil {
		c.Door = p.door()
	}
	c.Master, c.MasterError = s.MasterURL()
	var errs [3]error
	c.User, errs[0] = s.Login()
	c.TLS, errs[1] = s.TLS(p.log)
	if c.Master != nil {
		_, errs[2] = config.Proxy(c.Master)
	}
	c.MasterError = errors.Join(append(errs[:], c.MasterError)...)
	p.sources.Explain(errors.Join(c.DatabaseError, c.MasterError))
	return c
}
