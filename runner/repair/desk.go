package repair

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/screen"
)

// Desk is what the commands of this package work at.
type Desk struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	OnTerminal     bool // stdout is one
	JSON           bool // is wanted on stdout

	Hostname    string        // by which the master knows this shard; "": it was not said
	Who         string        // names this process to a client that finds the lock taken
	LockTimeout time.Duration // how long a change waits for a row that another session has locked
	Protocol    afe.Protocol

	// Database opens a pool on a database with the schema of this binary.
	Database func(context.Context) (*pgxpool.Pool, error)
	// Look opens one that may lead to a server that takes no writes.
	Look func(context.Context) (*pgxpool.Pool, error)
	// Sessions opens the same on a database of any schema, whatever is locked in it.
	Sessions func(context.Context) (*pgxpool.Pool, error)
	// Reader makes what reads the packet of a beat.
	Reader func(*pgxpool.Pool) (Previewer, error)
	// Misused makes of an error one of the command line.
	Misused func(error) error
}

// consent is a flag of the commands that change what cannot be had again.
type consent struct {
	Yes bool `short:"y" help:"Do it without a question."`
}

// errDeclined says that the answer to a question was no.
var errDeclined = errors.New("nothing was changed")

// confirm asks whether to go on, and returns an error unless that is so.
func (d *Desk) confirm(ctx context.Context, given consent, question string) error {
	if given.Yes {
		return nil
	}
	switch yes, err := screen.Ask(ctx, d.Stdin, d.Stderr, question); {
	case err != nil:
		return d.Misused(errors.New(err.Error() + " whether this is meant: add --yes if it is"))
	case !yes:
		return errDeclined
	}
	return nil
}

// onShard calls do with the shard whose database is to be mended.
func (d *Desk) onShard(ctx context.Context, do func(*Shard) error) error {
	return d.shard(ctx, d.Database, do)
}

func (d *Desk) shard(ctx context.Context, open func(context.Context) (*pgxpool.Pool, error), do func(*Shard) error) error {
	pool, err := open(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	return do(&Shard{Pool: pool, LockTimeout: d.LockTimeout, Hostname: d.Hostname})
}
