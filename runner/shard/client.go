// Package shard owns the rules of a heartbeat on the shard's side: what to tell the master, what
// its answer acknowledges, how what it sends is stored, and what is set aside. The promises P1 to
// P10 in docs/promises.md are kept here, but for P7, which is package lock's.
//
// [Client.Beat] runs one beat in four steps, each in a file of its own: pack.go reads the packet in
// one snapshot, the master is called, acknowledge.go marks what was sent, apply.go stores what
// came. When the master refuses a packet, search.go looks for the guilty record over the next
// beats. When to beat is not decided here, nor who may.
//
// The statements are in queries/shard, the wire is in package afe.
package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/lock"
)

// Master answers heartbeats; *afe.Client is one.
type Master interface {
	Heartbeat(ctx context.Context, packet *afe.Packet) (*afe.Response, error)
	Protocol() afe.Protocol
}

// Options are what a client needs. None but Redact and Logger has a default here; runner/config
// has.
type Options struct {
	ShardHostname  string // as the master knows it
	Who            string // names this process to another that finds the lock taken
	RPCTimeout     time.Duration
	StopTimeout    time.Duration // an RPC in flight gets it after a stop was asked for
	MaxUploadJobs  int
	MaxUploadBytes int64
	ApplyChunk     int                 // objects a transaction
	HistoryKeep    int64               // rows
	QuarantineKeep int64               // rows
	Redact         func(string) string // takes secrets out of errors before they are stored; nil: there are none
	Logger         *slog.Logger        // nil: silence
}

// Client is the one client of a shard. It is not safe for concurrent use: a shard has one beat at a
// time.
type Client struct {
	options Options
	pool    *pgxpool.Pool
	master  Master
	log     *slog.Logger
	lock    *lock.Lock
}

// NewClient returns a client that does not hold the lock yet; Own or the first beat takes it. The
// error names the option that cannot be used.
func NewClient(pool *pgxpool.Pool, master Master, options Options) (*Client, error) {
	switch {
	case pool == nil:
		return nil, errors.New("shard: pool is nil: want the pool of the shard's database")
	case master == nil:
		return nil, errors.New("shard: master is nil: want what answers heartbeats, such as an *afe.Client")
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	held, err := lock.New(pool, options.Who)
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	if options.Redact == nil {
		options.Redact = func(text string) string { return text }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{options: options, pool: pool, master: master, log: options.Logger, lock: held}, nil
}

// check returns an error that names the first field that no client can work with.
func (o *Options) check() error {
	for _, field := range []struct {
		name  string
		value any
		ok    bool
		want  string
	}{
		{"ShardHostname", `""`, o.ShardHostname != "", "the name by which the master knows this shard"},
		{"Who", `""`, o.Who != "", "a name for this process"},
		{"RPCTimeout", o.RPCTimeout, o.RPCTimeout > 0, "more than 0"},
		{"StopTimeout", o.StopTimeout, o.StopTimeout >= 0, "0 or more"},
		{"MaxUploadJobs", o.MaxUploadJobs, o.MaxUploadJobs > 0, "at least 1"},
		{"MaxUploadBytes", o.MaxUploadBytes, o.MaxUploadBytes > 0, "at least 1"},
		{"ApplyChunk", o.ApplyChunk, o.ApplyChunk > 0, "at least 1"},
		{"HistoryKeep", o.HistoryKeep, o.HistoryKeep > 0, "at least 1"},
		{"QuarantineKeep", o.QuarantineKeep, o.QuarantineKeep > 0, "at least 1"},
	} {
		if !field.ok {
			return fmt.Errorf("shard: Options.%s is %v: want %s", field.name, field.value, field.want)
		}
	}
	return nil
}

// Own takes the lock of the shard, or makes sure that it is still held. It returns a
// *lock.HeldError when another client has it.
func (c *Client) Own(ctx context.Context) error {
	return guarded(func() error { return c.lock.Hold(ctx) })
}

// Close gives the lock back. The pool stays open: its opener closes it.
func (c *Client) Close(ctx context.Context) { c.lock.Release(ctx) }

// limit is the largest batch that the settings allow.
func (c *Client) limit() beat.Batch {
	return beat.Batch{Jobs: c.options.MaxUploadJobs, Bytes: c.options.MaxUploadBytes}
}

// Failures returns every class of failure that a beat can have.
func Failures() []string {
	var all []string
	for _, class := range afe.Classes() {
		all = append(all, string(class))
	}
	return append(all, beat.FailureDatabase, beat.FailureLockLost)
}
