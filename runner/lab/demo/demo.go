// Package demo plays a whole lab live: a master, three shards and their schedulers, with a few faults on the way.
//
// Everything in it is real: the programs that it starts are the ones that a lab runs, on databases of a private
// PostgreSQL. It owns the play and the verdict, which is counted from the databases of both sides.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

const (
	pairedEvery = 10 // every tenth child of a suite needs two hosts at once

	// lookLimit bounds a look at all databases that hangs.
	lookLimit = 5 * time.Minute

	turn         = 250 * time.Millisecond // between two looks at the databases
	betweenSuite = 600 * time.Millisecond
	watchSuite   = 4 * time.Second // between two suites when somebody watches on
)

// size says how large the play is, and how long it may take.
type size struct {
	boardHosts     int // hosts of each board
	suites         int
	children       int           // jobs of each suite
	aborted        int           // jobs that somebody aborts
	perform, atEnd time.Duration // until all jobs have finished, and then until both sides agree: bounds for what hangs
}

var fullSize = size{boardHosts: 20, suites: 12, children: 50, aborted: 25, perform: 5 * time.Minute, atEnd: 2 * time.Minute}

func (s size) jobs() int64 { return int64(s.suites * s.children) }

// boards are the kinds of hosts, each with a shard of its own.
var boards = []string{"eve", "kevin", "coral"}

// ErrFailed says that the demo failed. Its output has told why, and ends with the verdict.
var ErrFailed = errors.New("the demo failed")

// Demo is one play.
type Demo struct {
	Client string       // path of the shard-client program
	Lab    string       // path of the shard-lab program
	Out    io.Writer    // gets everything that is said; bars when it is a terminal
	Watch  bool         // go on with small suites until the context ends
	Seed   uint64       // of the schedulers
	Logger *slog.Logger // hears about the private PostgreSQL; nil: silence

	size size   // zero: fullSize. Tests play on a small stage
	logs string // a directory for the programs' logs; "": one of its own, which is kept when the demo fails
}

// Run plays until both sides are at rest and prints the verdict as the last line. The error is ErrFailed unless both
// sides agree, and the context's when that ended a play that is not watched.
func (d *Demo) Run(ctx context.Context) error {
	p := &play{demo: d, size: d.size, began: time.Now()}
	if p.size == (size{}) {
		p.size = fullSize
	}
	verdict, err := p.run(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(d.Out, "demo: FAILED: stopped before both sides were at rest")
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(d.Out, "error: %v\n", err)
		fmt.Fprintln(d.Out, "demo: FAILED: it could not go on (see above)")
		return ErrFailed
	}
	fmt.Fprint(d.Out, verdict)
	if !verdict.agree() {
		return ErrFailed
	}
	return nil
}

// play is one run of a Demo.
type play struct {
	demo  *Demo
	size  size
	show  show
	began time.Time
	stage *stage
	plot  *plot
}

func (p *play) run(ctx context.Context) (verdict *verdict, err error) {
	fmt.Fprintf(p.demo.Out, "A lab on this machine: a master, %d shards (each with %d hosts, a scheduler and a shard-client),\n"+
		"%d suites with %d jobs in all. Some jobs fail or are aborted, a host moves to another shard,\n"+
		"a shard-client and the master are killed.\n",
		len(boards), p.size.boardHosts, p.size.suites, p.size.jobs())
	p.stage, err = setStage(ctx, p.demo, p.size)
	defer func() {
		failed := err != nil || !verdict.agree()
		if failed {
			fmt.Fprintf(p.demo.Out, "the programs' logs are in %s\n", p.stage.logs)
		}
		err = errors.Join(err, p.stage.strike(failed))
	}()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.demo.Out, "PostgreSQL in %s, master at %s;\nall of it vanishes afterwards.\n\n", p.stage.server.DataDir(), p.stage.masterURL)
	p.show = newShow(p.demo.Out, p.began, p.size)
	defer p.show.close()
	p.plot = newPlot(p.stage, p.size, p.say)
	if err := p.perform(ctx); err != nil {
		return nil, err
	}
	return p.rest(context.WithoutCancel(ctx))
}

// say tells what happens, with its time.
func (p *play) say(format string, args ...any) {
	p.show.say(fmt.Sprintf("%5.1f s  %s", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...)))
}

// perform goes on until all jobs have finished on the shards, or until somebody who watches has seen enough.
func (p *play) perform(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, p.size.perform)
	if p.demo.Watch {
		timed, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	for {
		now, err := p.stage.progress(timed)
		if err != nil && timed.Err() == nil {
			return err
		}
		if err == nil {
			p.show.progress(now)
			if err := p.plot.advance(timed, now, p.demo.Watch); err != nil && timed.Err() == nil {
				return err
			}
			if p.plot.over() && now.finished == now.created && !p.demo.Watch {
				return nil
			}
		}
		select {
		case <-timed.Done():
			return p.stop(ctx)
		case <-ticker.C:
		}
	}
}

// stop is what follows when the time is over: a watcher's Ctrl-C lets the lab come to rest, anything else is a failure
// that the verdict tells in numbers.
func (p *play) stop(ctx context.Context) error {
	if p.demo.Watch {
		p.say("no new jobs; waiting until both sides are at rest")
		return p.plot.end(context.WithoutCancel(ctx))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.say("the time is over, and not all jobs have finished: this machine is very busy, or something hangs")
	return nil
}

// rest waits until everything is finished and known on both sides, and returns the verdict in any case. It looks once at
// least, however long that takes.
func (p *play) rest(ctx context.Context) (*verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, p.size.atEnd+lookLimit)
	defer cancel()
	enough := time.NewTimer(p.size.atEnd)
	defer enough.Stop()
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	for {
		v, err := p.look(ctx)
		if err != nil || v.agree() {
			return v, err
		}
		select {
		case <-enough.C:
			return v, nil
		case <-ticker.C:
		}
	}
}

// look shows how far the jobs are, and compares both sides.
func (p *play) look(ctx context.Context) (*verdict, error) {
	now, err := p.stage.progress(ctx)
	if err != nil {
		return nil, err
	}
	p.show.progress(now)
	return p.stage.judge(ctx, now, p.plot)
}
