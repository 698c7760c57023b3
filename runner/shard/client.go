// Package shard owns the rules of a heartbeat on the shard's side: what to tell the master, what
// its answer acknowledges, how what it sends is stored, and what is set aside. It keeps the
// promises P1 to P12 of docs/promises.md, except P7, which package lock keeps.
//
// # One beat
//
// [Client.Beat] takes four steps. pack.go reads the packet in one snapshot; the master is called;
// acknowledge.go marks what was sent; package [apply] stores what came. history.go then records the
// beat.
//
// Two values go from step to step: the packet, which is what travels, and the memo, which is what
// must be remembered of it until the master has answered.
//
// # What is set aside
//
// One bad object harms only itself. An object of the master that cannot be stored goes into the
// quarantine and is tried again whenever the master sends it. When the master refuses a packet of
// ours, package [search] looks for the guilty record over the next beats.
//
// # What is decided elsewhere
//
// Package loop decides when to beat, and package lock who may. The statements are in queries/shard,
// and the wire is package [afe].
package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/apply"
	"shardclient/runner/aside"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/search"
)

// Master answers heartbeats. An [*afe.Client] is one.
type Master interface {
	// Heartbeat sends one packet and returns the master's answer to it. A failed call returns an
	// *afe.Error, by which [afe.Judge] says whom to blame.
	Heartbeat(ctx context.Context, packet *afe.Packet) (*afe.Response, error)
	// Protocol is the version in which the next packet would be sent.
	Protocol() afe.Protocol
}

// Options are the settings of a client. Only BeatTimeout, FinishTimeout, those that redact, and
// Logger may be left out; the defaults of the others are in runner/config.
type Options struct {
	Adopt          bool          // serve a database that is a copy of the one served before
	ShardHostname  string        // the name of this shard on the master
	Who            string        // names this process to another that finds the lock taken
	RPCTimeout     time.Duration // the longest that a request may live, its retries included
	StopTimeout    time.Duration // how long a request in flight may go on after a stop was asked for
	LockTimeout    time.Duration // how long a step waits for locks of other sessions
	BeatTimeout    time.Duration // the longest that a beat may take, its request included; 0: no limit
	FinishTimeout  time.Duration // how long a beat may go on after a stop was asked for; 0: no limit
	MaxUploadJobs  int           // the most jobs in one packet
	MaxUploadBytes int64         // the largest request, unless one job alone exceeds it
	ApplyChunk     int           // the most objects stored in one transaction
	HistoryKeep    int64         // rows
	QuarantineKeep int64         // rows

	// Redact takes secrets out of what others say, and RedactError out of errors, before they are
	// stored or logged; nil: there are none. What the database's encoding does not have is escaped
	// after that.
	Redact      func(string) string
	RedactError func(error) string
	// Logger gets what a report does not hold, such as why an object was set aside; nil: nothing is
	// logged.
	Logger *slog.Logger
}

// Client is the one client of a shard. It is not safe for concurrent use: a shard has one beat at a
// time.
type Client struct {
	options Options
	pool    *pgxpool.Pool
	master  Master
	log     *slog.Logger
	lock    *lock.Lock
	search  *search.Search
	apply   apply.Options
	beside  sync.WaitGroup // see Warm
}

// NewClient returns a client that does not hold the lock yet; [Client.Own] or the first beat takes
// it. The error names the option that cannot be used.
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
	notHeld, err := lock.New(pool, options.Who)
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	notHeld.Timeout = options.LockTimeout
	if options.Adopt {
		notHeld.Adopt()
	}
	if options.Redact == nil {
		options.Redact = func(text string) string { return text }
	}
	redact, redactError := options.Redact, options.RedactError
	if redactError == nil {
		redactError = func(err error) string { return redact(err.Error()) }
	}
	options.Redact = func(text string) string { return notHeld.Fit(redact(text)) }
	options.RedactError = func(err error) string { return notHeld.Fit(redactError(err)) }
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	searching, err := search.New(search.Options{
		Lock: notHeld, Redact: options.Redact, Logger: options.Logger, MaxReason: aside.MaxReason, MaxPayload: aside.MaxPayload,
	})
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	return &Client{
		options: options, pool: pool, master: master, log: options.Logger, lock: notHeld, search: searching,
		apply: apply.Options{
			Options: aside.Options{
				Lock: notHeld, Pool: pool, HistoryKeep: options.HistoryKeep, QuarantineKeep: options.QuarantineKeep,
				Redact: options.Redact, Logger: options.Logger,
			},
			Chunk: options.ApplyChunk, LockTimeout: options.LockTimeout, MaxSplits: apply.DefaultMaxSplits,
		},
	}, nil
}

// check returns an error that names the first field with which no client can work.
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
		{"LockTimeout", o.LockTimeout, o.LockTimeout > 0, "more than 0"},
		{"BeatTimeout", o.BeatTimeout, o.BeatTimeout >= 0, "0 or more"},
		{"FinishTimeout", o.FinishTimeout, o.FinishTimeout >= 0, "0 or more"},
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

// Own takes the lock of the shard, or makes sure that this client still holds it. The error is a
// [*lock.HeldError] when another client has the lock, and a [*lock.CopyError] when the database is
// a copy.
func (c *Client) Own(ctx context.Context) error {
	defer c.beside.Wait() // whoever comes next would open a third connection
	return guard.Run(func() error { return c.lock.Hold(ctx) })
}

// Close gives the lock back. The pool stays open: whoever opened it closes it.
func (c *Client) Close(ctx context.Context) {
	_ = guard.Run(func() error { c.lock.Release(ctx); return nil }) // the connection goes with the process
}

// limit returns the largest batch that the settings allow.
func (c *Client) limit() beat.Batch {
	return beat.Batch{Jobs: c.options.MaxUploadJobs, Bytes: c.options.MaxUploadBytes}
}
