package shard

import (
	"context"
	"errors"

	"shardclient/runner/afe"
	"shardclient/runner/beat"
	"shardclient/runner/guard"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// maxErrorText limits how much of an error a report keeps, in bytes.
const maxErrorText = 2000

// Failures returns every class of failure that a beat can have.
func Failures() []string {
	var all []string
	for _, class := range afe.Classes() {
		all = append(all, string(class))
	}
	return append(all, beat.FailureDatabase, beat.FailureLocked, beat.FailureLockLost, beat.FailureNoProgress,
		beat.FailureRefusesAll)
}

// Fail fills in how a beat ended: the class of its failure and what that means for the next beats.
// A nil err changes nothing. redact takes secrets out of the text; it sees the whole text, before
// that is cut, because half a secret could not be recognized.
func Fail(r *beat.Report, err error, redact func(error) string) {
	if err == nil {
		return
	}
	r.Fail(err, failureClass(err), plain.Line(redact(err), maxErrorText))
	var held *lock.HeldError
	var copied *lock.CopyError
	if left, ok := errors.AsType[*pg.LockedError](err); ok {
		r.LeftLocked = left.Left
	}
	r.Fatal = errors.As(err, &held) || errors.As(err, &copied)
	var failure *afe.Error
	if errors.As(err, &failure) {
		r.RequestBytes = failure.Sent
		r.Outage = afe.Judge(err).Outage()
		r.Abandoned = afe.Abandoned(err)
	}
}

// refusedAllError says that the master has refused an empty packet, after another one.
type refusedAllError struct{ failure error }

func (e *refusedAllError) Error() string {
	return e.failure.Error() + "; it refuses an empty packet, too, so no record of this shard is to blame; " +
		"until one passes, a whole packet is sent after every ten empty ones only"
}

func (e *refusedAllError) Unwrap() error { return e.failure }

func failureClass(err error) string {
	var failure *afe.Error
	var internal *guard.Error
	var all *refusedAllError
	switch {
	case errors.As(err, &internal):
		return string(afe.Internal)
	case errors.As(err, &all):
		return beat.FailureRefusesAll
	case errors.As(err, &failure):
		return string(failure.Class)
	case errors.Is(err, lock.ErrLost):
		return beat.FailureLockLost
	case errors.Is(err, errNoProgress):
		return beat.FailureNoProgress
	case pg.IsLocked(err):
		return beat.FailureLocked
	default:
		return beat.FailureDatabase
	}
}

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
