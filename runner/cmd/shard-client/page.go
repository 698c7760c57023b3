package main

import (
	"shardclient/runner/config"
	"shardclient/runner/ops"
	"shardclient/runner/page/status"
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
