// Package shard holds the rules of a heartbeat on the shard's side: what to
// tell the master, what its answer acknowledges, how what it sends is stored,
// what is set aside, and who may write. The statements are in queries/shard, the
// wire is in runner/afe. The promises P1 to P10 in docs/decisions.md are kept here.
package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
)

// Master answers heartbeats; *afe.Client is one.
type Master interface {
	Heartbeat(ctx context.Context, packet *afe.Packet) (*afe.Response, error)
	Protocol() afe.Protocol
}

// Options are what a client needs. None has a default here; runner/config has.
type Options struct {
	ShardHostname  string
	Who            string // names this process to another that finds the lock taken
	RPCTimeout     time.Duration
	StopTimeout    time.Duration // an RPC in flight gets it after a stop was asked for
	MaxUploadJobs  int
	MaxUploadBytes int64
	ApplyChunk     int                 // objects a transaction
	HistoryKeep    int64               // rows
	QuarantineKeep int64               // rows
	Redact         func(string) string // takes secrets out of errors before they are stored; nil: there are none
	Logger         *slog.Logger
}

// Client is the one client of a shard. It is not safe for concurrent use: a
// shard has one beat at a time.
type Client struct {
	options Options
	pool    *pgxpool.Pool
	master  Master
	log     *slog.Logger
	owner   *owner
}

// NewClient returns a client that holds no lock yet; Own or the first beat takes it.
func NewClient(pool *pgxpool.Pool, master Master, options Options) *Client {
	if options.Redact == nil {
		options.Redact = func(text string) string { return text }
	}
	return &Client{
		options: options,
		pool:    pool,
		master:  master,
		log:     cmp.Or(options.Logger, slog.New(slog.DiscardHandler)),
		owner:   &owner{pool: pool, who: options.Who},
	}
}

// Own takes the lock of the shard, or makes sure that it is still held. It
// returns a *HeldError when another client has it.
func (c *Client) Own(ctx context.Context) error { return c.owner.ensure(ctx) }

// Close gives the lock back. The pool stays open: its opener closes it.
func (c *Client) Close(ctx context.Context) { c.owner.release(ctx) }

// ErrLockLost says that another client took the shard over, or that the
// connection that held the lock is gone. Nothing was written.
var ErrLockLost = errors.New("the lock of this shard is lost: another client took it over or its connection broke")

// repeats is how often a transaction that met a deadlock or a serialization
// failure is tried again before the beat gives up.
const repeats = 3

// write runs one fenced transaction: nothing is written unless this client still
// owns the shard (P7). fn runs again after a deadlock or a serialization failure.
func (c *Client) write(ctx context.Context, fn func(*sharddb.Queries) error) error {
	// Whatever the role's default is: after a lock is won, the next statement must
	// see what its holder has committed.
	readCommitted := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	for try := 0; ; try++ {
		err := pgx.BeginTxFunc(ctx, c.pool, readCommitted, func(tx pgx.Tx) error {
			q := sharddb.New(tx)
			epochs, err := q.OwnerFence(ctx, c.owner.epoch)
			if err != nil {
				return fmt.Errorf("read own epoch: %w", err)
			}
			if len(epochs) == 0 {
				return ErrLockLost
			}
			return fn(q)
		})
		if classify(err) != conflict || try == repeats {
			return err
		}
	}
}
