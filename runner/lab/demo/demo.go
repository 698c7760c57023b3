// Package demo plays a whole lab live: a master, three shards and their schedulers, with a few
// faults on the way.
//
// The programs that it starts are the real ones, with databases on a private PostgreSQL. It owns
// the play and the verdict, which is counted from the databases of both sides.
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
	watchSuite   = 4 * time.Second // between two suites in the watch that follows the play
)

// size is how large the play is, and how long it may take.
type size struct {
	boardHosts     int // hosts of each board
	suites         int
	children       int           // jobs of each suite
	aborted        int           // jobs that somebody aborts
	perform, atEnd time.Duration // until all jobs have finished, and then until both sides agree: bounds for what hangs
}

var fullSize = size{
	boardHosts: 20,
	suites:     12,
	children:   50,
	aborted:    25,
	perform:    5 * time.Minute,
	atEnd:      2 * time.Minute,
}

func (s size) jobs() int64 { return int64(s.suites * s.children) }

// boards are the kinds of hosts, each with a shard of its own.
var boards = []string{"eve", "kevin", "coral"}

// ErrFailed means that the demo failed. Its output says why, and ends with the verdict.
var ErrFailed = errors.New("the demo failed")

// Demo is one play.
type Demo struct {
	Client string       // path of the shard-client program
	Lab    string       // path of the shard-lab program
	Out    io.Writer    // gets everything that is printed; a terminal gets bars
	Watch  bool         // go on with small suites until the context ends
	Seed   uint64       // decides how the schedulers draw
	Logger *slog.Logger // for the private PostgreSQL; nil means silence

	size size   // zero means fullSize; tests play on a small stage
	logs string // a directory for the programs' logs; "": one of its own, which a failed demo keeps
}

// Run plays until both sides are at rest and prints the verdict as the last line. The error is nil
// when both sides agree, the context's when that ended the play before its end, and [ErrFailed]
// otherwise. With Watch, the end of the context is the regular end.
func (d *Demo) Run(ctx context.Context) error {
	p := &play{demo: d, size: d.size, began: time.Now()}
	if p.size == (size{}) {
		p.size = fullSize
	}
	verdict, err := p.run(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		p.printf("demo: FAILED: stopped before both sides were at rest\n")
		return ctx.Err()
	case err != nil:
		p.printf("error: %v\n", err)
		p.printf("demo: FAILED: it could not go on (see above)\n")
		return ErrFailed
	}
	p.printf("%s", verdict)
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

// printf prints what does not wait for the show. When the output is gone, so are its readers.
func (p *play) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.demo.Out, format, args...) }

func (p *play) run(ctx context.Context) (verdict *verdict, err error) {
	p.printf("A lab on this machine: a master, %d shards (each with %d hosts, a scheduler and a shard-client),\n"+
		"%d suites with %d jobs in all. Some jobs fail or are aborted, a host moves to another shard,\n"+
		"a shard-client and the master are killed.\n",
		len(boards), p.size.boardHosts, p.size.suites, p.size.jobs())
	p.stage, err = setStage(ctx, p.demo, p.size)
	defer func() {
		stopped := err != nil && ctx.Err() != nil // by somebody who has nothing to find out
		failed := !stopped && (err != nil || !verdict.agree())
		if failed {
			p.printf("the programs' logs are in %s\n", p.stage.logs)
		}
		err = errors.Join(err, p.stage.strike(failed))
	}()
	if err != nil {
		return nil, err
	}
	p.printf("PostgreSQL in %s, master at %s;\nall of it vanishes afterwards.\n\n",
		p.stage.server.DataDir(), p.stage.masterURL)
	p.show = newShow(p.demo.Out, p.began, p.size)
	defer p.show.close()
	p.plot = newPlot(p.stage, p.size, p.say)
	if err := p.perform(ctx); err != nil {
		return nil, err
	}
	return p.rest(context.WithoutCancel(ctx))
}

// say prints what happens, with the time since the beginning.
func (p *play) say(format string, args ...any) {
	p.show.say(fmt.Sprintf("%5.1f s  %s", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...)))
}

// perform goes on until all jobs have finished on the shards, or with Watch until the context ends.
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

// stop is called when perform ran out of time. With Watch, the Ctrl-C of the user lets the lab come
// to rest. Otherwise the lab was too slow, and the verdict will show it in numbers.
func (p *play) stop(ctx context.Context) error {
	if p.demo.Watch {
		p.say("no new jobs; waiting until both sides are at rest")
		return p.plot.end(context.WithoutCancel(ctx))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.say("time is up, and not all jobs have finished: this machine is very busy, or something hangs")
	return nil
}

// rest waits until everything is finished and known on both sides, and returns the verdict in any
// case. It looks once at least, however long that takes.
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
