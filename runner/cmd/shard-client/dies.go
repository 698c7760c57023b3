package main

import (
	"context"
	"crypto/x509"
	"errors"
	"runtime/debug"

	"shardclient/runner/beat"
	"shardclient/runner/config"
	"shardclient/runner/deaths"
	"shardclient/runner/guard"
)

// beatAndTell beats until it is stopped. When it ends otherwise, that is noted and told.
func (p *program) beatAndTell(ctx context.Context) error {
	register, err := p.openDeaths()
	if err != nil {
		return &usageError{err}
	}
	defer register.Close()
	p.deaths.Store(register)
	// A panic that nobody guards would end with exit 2, which stands for a mistake in the settings,
	// so that whoever restarts would not. Like this it ends by SIGABRT.
	debug.SetTraceback("crash")
	err = guard.Run(func() error { return p.beatUntilStopped(ctx) })
	if err == nil {
		return nil
	}
	text := p.secrets.RedactError(err)
	cause := map[int]string{exitFailed: deaths.Failed, exitHeld: deaths.Held, exitSchema: deaths.Schema}[codeOf(err)]
	if fault, ok := errors.AsType[*guard.Error](err); ok {
		p.log.Error("shard-client ends with a panic; please report this line", "error", text, "stack", fault.Stack)
		cause, text = deaths.Panic, text+"\n"+fault.Stack
	}
	if cause != "" {
		register.Died(cause, text)
	}
	return err
}

// openDeaths opens the register of deaths.
func (p *program) openDeaths() (*deaths.Register, error) {
	c := p.settings
	if err := c.ValidateShard(); err != nil {
		return nil, err
	}
	alert, err := c.Alert()
	if err != nil {
		return nil, err
	}
	o := deaths.Options{
		Dir: c.StateDirectory(), Shard: c.ShardHostname, Process: thisProcess(), Redact: p.secrets.Redact, Logger: p.log,
	}
	if alert != nil {
		o.Mailer = &deaths.Mailer{Server: alert.Server, From: alert.From, To: alert.To}
		if o.Mailer.Authorities, err = p.authorities(); err != nil {
			return nil, err
		}
	}
	register, err := deaths.Open(o)
	if err != nil {
		err = &config.SettingError{
			Flag: "state-dir", Value: c.StateDir, Cause: err.Error(), Hint: "name a directory that this user may write to",
		}
	}
	return register, err
}

// authorities are those of --ca-file for the mail server, too; nil: the system's.
func (p *program) authorities() (*x509.CertPool, error) {
	security, err := p.settings.TLS(p.log)
	if err != nil || security == nil {
		return nil, err
	}
	return security.RootCAs, nil
}

// countDeaths returns how often this client died of a cause.
func (p *program) countDeaths(cause string) int64 {
	if register := p.deaths.Load(); register != nil {
		return register.Count(cause)
	}
	return 0
}

// tellFault tells of a beat that ended with a panic.
func (p *program) tellFault(r *beat.Report) {
	register := p.deaths.Load()
	fault, ok := errors.AsType[*guard.Error](r.Err)
	if register == nil || !ok {
		return
	}
	register.Fault(r.Error + "\n" + fault.Stack)
}
