package shard

import (
	"context"
	"errors"

	"shardclient/runner/guard"
)

// panicked reports whether a step ended with a panic, and logs where.
func (c *Client) panicked(err error) bool {
	var internal *guard.Error
	if !errors.As(err, &internal) || internal.Stack == "" {
		return false
	}
	c.log.Error("a heartbeat ended with a panic; please report this line",
		"error", internal.Err, "stack", internal.Stack)
	return true
}

// letGo gives up the lock and every connection, whatever state they are in. The next beat takes the
// lock anew, or finds that another client has it.
func (c *Client) letGo(ctx context.Context) {
	err := guard.Run(func() error {
		c.lock.Release(ctx)
		return nil
	})
	if err != nil {
		c.lock.Abandon()
	}
	c.pool.Reset()
}
