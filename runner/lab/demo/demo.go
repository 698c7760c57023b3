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
	masterAway     time.Duration // while it is killed
	perform, atEnd time.Duration // until all jobs have finished, and then until both sides agree: bounds for what hangs
}

var fullSize = size{
	boardHosts: 20,
	suites:     12,
	children:   50,
	aborted:    25,
	masterAway: 9 * time.Second, // the last attempt of a beat to call it comes after 7 s, so that beats fail
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
	Client string          // path of the shard-client program
	Lab    string          // path of the shard-lab program
	Out    io.Writer       // gets everything that is printed; a terminal gets a picture
	Watch  bool            // go on with small suites and more faults until the context ends
	Seed   uint64          // decides how the schedulers draw, and which faults strike in the watch
	Hurry  <-chan struct{} // with Watch: somebody does not want to wait until both sides are at rest
	Logger *slog.Logger    // for the private PostgreSQL; nil means silence

	size size   // zero means fullSize; tests play on a small stage
	logs string // a directory for the programs' logs; "": one of its own, which a failed demo keeps
}

// Run plays until both sides are at rest and prints the verdict as the last line. The error is nil
// when both sides agree, [context.Canceled] when somebody ended the play before its end, and
// [ErrFailed] otherwise. With Watch, the end of the context is the regular end.
func (d *Demo) Run(ctx context.Context) error {
	p := &play{demo: d, size: d.size, began: time.Now()}
	if p.size == (size{}) {
		p.size = fullSize
	}
	verdict, err := p.run(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		p.printf("\ndemo: stopped after %s, before both sides were at rest\n", clock(time.Since(p.began)))
		return context.Canceled
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
	eyes  *observer
	seen  look   // the last
	state string // for people
}

// printf prints what does not wait for the show. When the output is gone, so are its readers.
func (p *play) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.demo.Out, format, args...) }

func (p *play) run(ctx context.Context) (verdict *verdict, err error) {
	p.printf("A lab: a master, %d shards with %s each, %s in %s.\nAll of it vanishes afterwards. Starting ...\n",
		len(boards), plural(p.size.boardHosts, "host"), plural(int(p.size.jobs()), "job"), plural(p.size.suites, "suite"))
	p.stage, err = setStage(ctx, p.demo, p.size)
	defer func() {
		stopped := err != nil && ctx.Err() != nil // by somebody who has nothing to find out
		failed := !stopped && (err != nil || !verdict.agree())
		if stopped && p.eyes != nil {
			p.state = "stopped"
			p.show.draw(p.picture(p.seen))
		}
		if failed {
			p.printf("the programs' logs are in %s\n", p.stage.logs)
		}
		err = errors.Join(err, p.stage.strike(failed))
	}()
	if err != nil {
		return nil, err
	}
	p.announce()
	p.began = time.Now()
	p.show, p.state = newShow(p.demo.Out, p.began), "playing"
	p.plot = newPlot(p.stage, p.size, p.demo.Seed, p.began)
	p.eyes = newObserver(p.stage, p.began)
	if err := p.perform(ctx); err != nil {
		return nil, err
	}
	return p.rest(ctx)
}

// announce says where the lab can be looked at.
func (p *play) announce() {
	if !p.demo.Watch {
		p.printf("\n")
		return
	}
	p.printf("Seed %d; Ctrl-C ends it. Pages to look at:\n  %-8s %s/\n", p.demo.Seed, "master", p.stage.masterURL)
	for _, one := range p.stage.shards {
		p.printf("  %-8s http://%s/\n", one.hostname, one.listen)
	}
	p.printf("\n")
}

// look looks at both sides, lets faults heal and shows what it is like now.
func (p *play) look(ctx context.Context) (look, error) {
	now, err := p.eyes.look(ctx)
	if err != nil {
		return now, err
	}
	p.seen = now
	healed, err := p.plot.tend(ctx, now)
	for _, f := range healed {
		p.show.healed(f)
	}
	if err == nil {
		p.show.draw(p.picture(now))
	}
	return now, err
}

func (p *play) picture(now look) picture {
	pic := picture{
		since: time.Since(p.began), at: time.Now(), state: p.state, seed: p.demo.Seed, suites: p.plot.suites,
		now: now, history: p.eyes.history, faults: p.plot.faults,
	}
	for _, one := range p.stage.shards {
		pic.names = append(pic.names, one.hostname)
	}
	return pic
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
		done, err := p.turn(timed)
		if done || err != nil && timed.Err() == nil {
			return err
		}
		select {
		case <-timed.Done():
			return p.stop(ctx)
		case <-ticker.C:
		}
	}
}

// turn looks, and lets happen what is due. It reports whether the play is over.
func (p *play) turn(ctx context.Context) (done bool, err error) {
	now, err := p.look(ctx)
	if err != nil {
		return false, err
	}
	struck, err := p.plot.advance(ctx, now, p.demo.Watch)
	for _, f := range struck {
		p.show.struck(f)
	}
	return p.plot.over() && now.finished() == now.created && !p.demo.Watch, err
}

// stop is called when perform ran out of time. With Watch, the Ctrl-C of the user lets the lab come
// to rest. Otherwise the lab was too slow, and the verdict will show it in numbers.
func (p *play) stop(ctx context.Context) error {
	if p.demo.Watch {
		p.state = "coming to rest; Ctrl-C ends at once"
		p.show.say("no new jobs; waiting until both sides are at rest; Ctrl-C ends at once")
		p.plot.end()
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.show.say("time is up, and not all jobs have finished: this machine is very busy, or something hangs")
	return nil
}

// rest waits until everything is finished and known on both sides, and returns the verdict in any
// case, unless somebody wants to see no more. It looks once at least, however long that takes.
func (p *play) rest(ctx context.Context) (*verdict, error) {
	if p.demo.Watch {
		ctx = context.WithoutCancel(ctx)
	} else {
		p.state = "coming to rest"
	}
	ctx, cancel := context.WithTimeout(ctx, p.size.atEnd+lookLimit)
	defer cancel()
	enough := time.NewTimer(p.size.atEnd)
	defer enough.Stop()
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	for {
		now, err := p.look(ctx)
		if err != nil {
			return nil, err
		}
		v, err := p.stage.judge(ctx, now, p.plot)
		if err != nil {
			return v, err
		}
		if v.agree() {
			p.state = "both sides agree"
			p.show.draw(p.picture(now))
			return v, nil
		}
		select {
		case <-p.demo.Hurry:
			return nil, context.Canceled
		case <-enough.C:
			return v, nil
		case <-ticker.C:
		}
	}
}
