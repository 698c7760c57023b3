package main

import (
	"context"
	"errors"

	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/plain"
)

// newBoard returns what the status page shows.
func (p *program) newBoard(health *ops.Health) (*status.Board, error) {
	return status.New(status.Options{
		ShardHostname: p.settings.ShardHostname,
		Master:        p.secrets.Redact(p.settings.Master),
		Version:       version,
		Began:         p.began,
		Health:        health,
		Ask:           p.askForPage,
		Settings:      p.shownSettings,
	})
}

// askForPage reads for the page what only the database knows. It connects anew each time: the pool
// has no connection to spare beside those of a beat.
func (p *program) askForPage(
	ctx context.Context, atMost, objects int64,
) (beats []operator.Beat, quarantined []operator.Quarantined, err error) {
	pool, err := p.connect(ctx)
	if err == nil {
		defer pool.Close()
		if atMost > 0 {
			beats, err = operator.History(ctx, pool, operator.Which{Most: atMost})
		}
	}
	if err == nil {
		quarantined, err = operator.NewestQuarantined(ctx, pool, objects)
	}
	if err != nil {
		err = errors.New(plain.Line(p.secrets.RedactError(err), maxErrorText))
	}
	return beats, quarantined, err
}

// shownSettings lists the settings as the command config does.
func (p *program) shownSettings() (list []status.Setting) {
	for _, one := range p.sources.Settings(p.settings) {
		list = append(list, status.Setting{Name: one.Name, Value: p.secrets.RedactOwn(one.Value), Source: p.secrets.RedactOwn(one.Source)})
	}
	return list
}
