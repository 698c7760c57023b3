package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"shardclient/runner/afe"
	"shardclient/runner/check"
	"shardclient/runner/config"
	"shardclient/runner/hint"
)

type checkCommand struct{}

// Help implements the interface of package command.
func (c *checkCommand) Help() string {
	return "Settings, database, rights, tables, lock, master, clocks and disks, a line each: ok, warn, fail, or skipped where " +
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
		Settings: p.checkSettings(), ShardHostname: s.ShardHostname, Protocol: s.Protocol, UserAgent: "shard-client/" + version,
		SpoolDir: s.SpoolDir, MaxResponseBytes: int64(s.MaxResponseBytes), LogDir: s.LogDir,
		Redact: func(err error) string { return strings.TrimPrefix(p.secrets.RedactError(err), "heartbeat: ") },
		Hint:   remedy,
	}
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
	if err := errors.Join(errs[:]...); err != nil {
		c.Master, c.MasterError = nil, errors.Join(c.MasterError, err)
	}
	// One message for one mistake.
	for _, told := range c.Settings {
		for _, err := range []*error{&c.DatabaseError, &c.MasterError} {
			if *err != nil && told.Level == check.Fail && strings.Contains((*err).Error(), told.Text) {
				*err = nil
			}
		}
	}
	return c
}

// remedy says what to do about the error of a check.
func remedy(err error) string {
	class := ""
	if failure, is := errors.AsType[*afe.Error](err); is {
		class = string(failure.Class)
	}
	return hint.For(class, err)
}

// checkSettings returns what is wrong with the settings, and what makes them less safe than they
// could be.
func (p *program) checkSettings() (results []check.Result) {
	tell := func(level check.Level, text, hint string) {
		results = append(results, check.Result{Name: "settings", Level: level, Text: p.secrets.RedactOwn(text), Hint: hint})
	}
	for _, err := range flatten(errors.Join(errors.Unwrap(p.broken), p.settings.ValidateShard())) {
		tell(check.Fail, err.Error(), "")
	}
	log := p.log
	p.log = slog.New(&heard{slog.DiscardHandler, tell})
	p.warn()
	p.log = log
	if len(results) == 0 {
		tell(check.OK, "all settings can be used", "")
	}
	return results
}

// heard makes results of what would be logged at the start of a client.
type heard struct {
	slog.Handler
	tell func(level check.Level, text, hint string)
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }

func (h *heard) Handle(_ context.Context, record slog.Record) error {
	text, hint := record.Message, ""
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "hint" {
			hint = a.Value.String()
		} else {
			text += ": " + a.Value.String()
		}
		return true
	})
	h.tell(check.Warn, text, hint)
	return nil
}

// flatten returns the errors that were joined into one.
func flatten(err error) (all []error) {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range joined.Unwrap() {
			all = append(all, flatten(one)...)
		}
		return all
	}
	if err != nil {
		all = append(all, err)
	}
	return all
}
