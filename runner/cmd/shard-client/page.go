package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
	"shardclient/runner/watch"
)

// newBoard returns what the status page shows. It connects anew each time that it asks the
// database: the pool has no connection to spare beside those of a beat.
func (p *program) newBoard(health *ops.Health) (*status.Board, error) {
	return status.New(status.Options{
		ShardHostname: p.settings.ShardHostname, Master: p.settings.Master, Version: version, Began: p.began,
		Health: health, Connect: p.connect,
		Settings: func() []config.Setting { return p.sources.Settings(p.settings) },
		Redact:   p.secrets.RedactOwn, RedactError: p.secrets.RedactError,
	})
}

// openObservers opens what others see of this run.
func (p *program) openObservers(ctx context.Context, db *pgxpool.Pool) (*watch.Observers, error) {
	register := p.deaths.Load()
	o, err := watch.Open(ctx, watch.Options{
		Settings: p.settings, DB: db, Version: version, LostLines: p.lines.Lost, Log: p.log, Board: p.newBoard,
		Deaths: p.countDeaths, Crashed: register != nil && register.Crashed(), Fault: p.tellFault,
	})
	if _, wrong := errors.AsType[*config.SettingError](err); wrong {
		return nil, &usageError{err}
	}
	return o, err
}
