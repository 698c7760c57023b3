package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// growing are the settings of the server whose tables may grow. Autovacuum looks once a minute by
// default, between beats that are a minute apart; here they are milliseconds apart.
var growing = map[string]string{"autovacuum": "on", "autovacuum_naptime": "1s"}

// historyShare is the part of the beats after which the history is full, and pruned at each beat.
const historyShare = 20

// grown is what may grow from beat to beat.
type grown struct {
	resident, pages, own float64 // pages that an idle beat reads; own: bytes of the client's own tables
}

// growth measures whether a client that has nothing to do needs more and more: at a fifth of the
// beats, when everything is full that has a limit, and at the end.
func (at *site) growth(ctx context.Context) (err error) {
	settings := maps.Clone(settings)
	maps.Copy(settings, growing)
	site, err := at.open(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.close()) }()
	name, err := site.known(ctx)
	if err != nil {
		return err
	}
	c, err := site.subject.run(site.stub.url, site.server.URL(name), fmt.Sprintf("SHARD_CLIENT_HISTORY_KEEP=%d", max(1, at.Beats/historyShare)))
	if err != nil {
		return err
	}
	defer c.stop()
	early, err := site.grow(ctx, c, name, at.Beats/5)
	if err != nil {
		return err
	}
	late, err := site.grow(ctx, c, name, at.Beats-at.Beats/5)
	if err != nil {
		return err
	}
	after := fmt.Sprintf("after %s idle beats / after %s", thousands(at.Beats), thousands(at.Beats/5))
	for _, r := range []row{
		{what: "resident memory " + after, unit: "MB", aim: 1, limit: 1.15, samples: []sample{{late.resident / megabyte, early.resident / megabyte}}},
		{what: "the client's own tables and indexes " + after, unit: "MB", aim: 1, limit: 1.5, samples: []sample{{late.own / megabyte, early.own / megabyte}}},
		{what: "pages read by an idle beat " + after, aim: 1, limit: 1.5, samples: []sample{{late.pages, early.pages}}},
	} {
		at.table.add(r)
	}
	return nil
}

// grow lets the client beat so often, and says what it needs then. The pages are those of the last
// tenth of these beats.
func (at *site) grow(ctx context.Context, c *client, name string, beats int) (g grown, err error) {
	counted := max(1, beats/10)
	var from int64
	for i := range beats {
		if i == beats-counted {
			if from, err = at.admin.BenchBuffers(ctx, name); err != nil {
				return g, err
			}
		}
		if _, err := c.exchange(ctx, at.stub, nothing); err != nil {
			return g, err
		}
	}
	to, err := at.admin.BenchBuffers(ctx, name)
	if err != nil {
		return g, err
	}
	used, err := c.used()
	if err != nil {
		return g, err
	}
	own, err := at.ownBytes(ctx, name)
	return grown{float64(used.Resident), float64(to-from) / float64(counted), float64(own)}, err
}

// ownBytes returns the size of the client's own tables with their indexes.
func (at *site) ownBytes(ctx context.Context, name string) (bytes int64, err error) {
	err = at.with(ctx, name, func(db *database) (err error) {
		bytes, err = db.BenchOwnBytes(ctx)
		return err
	})
	return bytes, err
}
