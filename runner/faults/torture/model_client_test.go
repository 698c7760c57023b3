package torture

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/faults"
	"shardclient/runner/shard"
)

// station is a shard with its client of the moment.
type station struct {
	*faults.Shard
	client  *client
	clients int
}

// client is a shard's client that can end before any of its statements.
type client struct {
	*shard.Client
	program string // its connections' application_name
	pool    *pgxpool.Pool
	crash   *crash
	close   func() // of the connections to the master
}

// crash counts a client's statements. From the one at which it ends on, none reaches the database
// any more, as after a kill.
type crash struct {
	left atomic.Int64
	dead atomic.Bool
}

func (c *crash) before(ctx context.Context) context.Context {
	if c.left.Add(-1) == 0 {
		c.dead.Store(true)
	}
	if !c.dead.Load() {
		return ctx
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

func (c *crash) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return c.before(ctx)
}

func (c *crash) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *crash) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return c.before(ctx)
}

func (c *crash) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

func (c *crash) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return c.before(ctx)
}

func (c *crash) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (c *crash) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// newClient starts a client of a station, beside the one that is there.
func (w *world) newClient(s *station) (*client, error) {
	s.clients++
	c := &client{program: fmt.Sprintf("client %d", s.clients), crash: &crash{}}
	config, err := pgxpool.ParseConfig(s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 4
	config.ConnConfig.RuntimeParams["application_name"] = c.program
	config.ConnConfig.Tracer = c.crash
	if c.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(w.t.Context()), config); err != nil {
		return nil, err
	}
	wire := w.lab.Wire(w.lab.URL())
	options := w.lab.ClientOptions(s.Shard)
	options.RPCTimeout = rpcTimeout
	c.close = wire.Close
	if c.Client, err = shard.NewClient(c.pool, wire, options); err != nil {
		return nil, err
	}
	return c, nil
}

// end is that of a client's process, in order or by a crash: its connections close.
func (c *client) end() {
	c.Close(context.Background())
	c.pool.Close()
	c.close()
}
