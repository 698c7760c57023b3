package main

import (
	"context"

	"shardclient/runner/beat"
	"shardclient/runner/hint"
	"shardclient/runner/loop"
	"shardclient/runner/ops"
	"shardclient/runner/pg"
	"shardclient/runner/plain"
)

// waiting is the time of `run` before it has its database. A database that is down is waited for
// quietly. One that answers and refuses will do so until somebody acts: that is told at once, in
// other words, however long an outage has lasted before.
type waiting struct {
	p       *program
	client  *client
	health  *ops.Health
	systemd *ops.Systemd
	tries   int
	told    int // the try that was logged last

	refused bool // the database answers, and will have none of this client
}

// forDatabase tries until it is ready, or an operator must act. It calls tried after each try.
func (w *waiting) forDatabase(ctx context.Context, tried func(ready bool)) error {
	return loop.Until(ctx, func() (final bool, err error) {
		final, err = w.try(ctx)
		tried(err == nil)
		if !final && ctx.Err() == nil {
			w.systemd.Ready() // a database that is down is waited for by a client that has started
		}
		return final, err
	}, w.tell)
}

func (w *waiting) try(ctx context.Context) (final bool, err error) {
	w.tries++
	w.health.Doing(w.doing()) // it begins anew each time: the loop turns
	final, err = w.client.takeDatabase(ctx)
	w.health.Advise("")
	if err == nil || final || ctx.Err() != nil {
		return final, err
	}
	before := w.refused
	w.refused = pg.Refused(err)
	w.health.Advise(hint.For(beat.FailureDatabase, err))
	if w.refused != before {
		w.tell(err, w.tries)
	}
	w.health.Doing(w.doing())
	return false, err
}

func (w *waiting) doing() string {
	if w.refused {
		return "wait for the database, which refuses this client"
	}
	return "wait for the database"
}

// tell logs a try that failed, once.
func (w *waiting) tell(err error, tries int) {
	if w.told == tries {
		return
	}
	w.told = tries
	text := plain.Line(w.p.secrets.RedactError(err), maxErrorText)
	remedy := hint.For(beat.FailureDatabase, err)
	if w.refused {
		w.p.log.Error("the database refuses this client, and will until somebody acts",
			"error", text, "hint", remedy, "tries", tries)
		return
	}
	w.p.log.Warn("waiting for the database", "error", text, "hint", remedy, "tries", tries)
}
