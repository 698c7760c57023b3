package main

import (
	"context"
	"errors"
	"os"
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
	mailer, err := p.mailer()
	if err != nil {
		return nil, err
	}
	o := deaths.Options{
		Dir: c.StateDir, Shard: c.ShardHostname, Process: thisProcess(), Redact: p.secrets.Redact, Logger: p.log, Mailer: mailer,
	}
	register, err := deaths.Open(o)
	if err != nil {
		err = &config.SettingError{
			Flag: "state-dir", Value: c.StateDir, Cause: err.Error(), Hint: "name a directory that this user may write to",
		}
	}
	return register, err
}

// mailer sends mails about ends; nil: none are to be sent. What is missing for it matters to `run`
// alone: other commands may share its environment without a directory of state, which systemd gives
// to a unit.
func (p *program) mailer() (*deaths.Mailer, error) {
	c := p.settings
	var missing *config.SettingError
	switch {
	case c.AlertEmailTo == "" && c.SMTPAddr == "":
		return nil, nil
	case c.AlertEmailTo == "":
		missing = &config.SettingError{
			Flag: "alert-email-to", Cause: "--smtp-addr is set, and nobody to mail to", Hint: "give one or more addresses, with commas between",
		}
	case c.SMTPAddr == "":
		missing = &config.SettingError{
			Flag: "smtp-addr", Cause: "--alert-email-to is set, and no server to send by", Hint: "give HOST:PORT such as localhost:25",
		}
	case c.StateDir == "":
		missing = &config.SettingError{
			Flag: "state-dir", Cause: "without one, a client that dies at each start would send a mail each time",
			Hint: "give a directory that this user may write to, or set StateDirectory= in the systemd unit",
		}
	}
	if missing != nil {
		return nil, missing
	}
	security, err := c.TLS(p.log) // --ca-file vouches for the mail server, too
	if err != nil {
		return nil, err
	}
	return &deaths.Mailer{
		Server: c.SMTPAddr, To: deaths.Addresses(c.AlertEmailTo), From: p.sender(), Authorities: security.RootCAs,
	}, nil
}

func (p *program) sender() string {
	if from := p.settings.AlertEmailFrom; from != "" {
		return deaths.Addresses(from)[0]
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return "shard-client@" + host
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
