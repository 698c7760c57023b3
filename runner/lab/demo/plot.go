package demo

import (
	"context"
	"fmt"
	"time"

	"shardclient/runner/process"
)

// outage is how long a killed program stays away.
const outage = 1500 * time.Millisecond

// plot decides what happens, and when. Suites are created by time; everything else depends on how
// many jobs have finished.
type plot struct {
	stage *stage
	size  size
	say   func(format string, args ...any)

	suites    int
	nextSuite time.Time
	children  []int64 // of the newest suite
	scenes    []scene
	due       []scene // scenes that follow one that was played, such as the restart after a kill

	aborted, moved, kills int
}

// scene is played once, when it is ready.
type scene struct {
	ready func(now progress) bool
	play  func(context.Context) error
}

func newPlot(s *stage, size size, say func(string, ...any)) *plot {
	p := &plot{stage: s, size: size, say: say}
	finished := func(share float64) func(progress) bool {
		return func(now progress) bool { return float64(now.finished) >= share*float64(size.jobs()) }
	}
	p.scenes = []scene{
		{finished(0.10), p.abort},
		{finished(0.25), p.killClient},
		{finished(0.40), p.moveHost},
		{finished(0.55), p.killMaster},
	}
	return p
}

// over reports whether nothing more will happen by itself.
func (p *plot) over() bool { return p.suites >= p.size.suites && len(p.scenes)+len(p.due) == 0 }

// advance plays the scenes that are ready. With watch, new suites never end.
func (p *plot) advance(ctx context.Context, now progress, watch bool) error {
	if time.Now().After(p.nextSuite) && (p.suites < p.size.suites || watch) {
		if err := p.suite(ctx); err != nil {
			return err
		}
	}
	if len(p.scenes) > 0 && p.scenes[0].ready(now) {
		next := p.scenes[0]
		p.scenes = p.scenes[1:]
		if err := next.play(ctx); err != nil {
			return err
		}
	}
	return p.follow(ctx, now)
}

func (p *plot) follow(ctx context.Context, now progress) error {
	var rest []scene
	for _, s := range p.due {
		if !s.ready(now) {
			rest = append(rest, s)
		} else if err := s.play(ctx); err != nil {
			return err
		}
	}
	p.due = rest
	return nil
}

// end plays all due scenes at once, and drops the others.
func (p *plot) end(ctx context.Context) error {
	for _, s := range p.due {
		if err := s.play(ctx); err != nil {
			return err
		}
	}
	p.scenes, p.due = nil, nil
	return nil
}

func (p *plot) suite(ctx context.Context) error {
	board, children, wait := boards[p.suites%len(boards)], p.size.children, betweenSuite
	if p.suites >= p.size.suites {
		children, wait = p.size.children/5, watchSuite
	}
	created, err := p.stage.createSuite(ctx, board, p.suites+1, children)
	if err != nil {
		return err
	}
	p.suites++
	p.children, p.nextSuite = created.ChildIDs, time.Now().Add(wait)
	return nil
}

func (p *plot) abort(ctx context.Context) error {
	ids := p.children[max(0, len(p.children)-p.size.aborted):]
	jobs, err := p.stage.people.AbortJobs(ctx, owner, ids...)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if job.Entries > 0 {
			p.aborted++
		}
	}
	p.say("somebody aborts %d jobs of suite %d on the master", p.aborted, p.suites)
	return nil
}

func (p *plot) moveHost(ctx context.Context) error {
	from, to := p.stage.shards[0], p.stage.shards[2]
	host := hostOf(from.board, 1)
	if _, err := p.stage.people.MoveHosts(ctx, boardLabel(to.board), host); err != nil {
		return err
	}
	p.moved++
	p.say("%s becomes a %s: it moves from %s to %s", host, to.board, from.hostname, to.hostname)
	return nil
}

func (p *plot) killClient(context.Context) error { return p.kill(p.stage.shards[1].client) }

func (p *plot) killMaster(context.Context) error { return p.kill(p.stage.master) }

// kill ends a program by SIGKILL and starts it again after a while.
func (p *plot) kill(a *process.Program) error {
	a.Kill()
	p.kills++
	p.say("the %s is killed (SIGKILL)", a.Name)
	again := time.Now().Add(outage)
	p.due = append(p.due, scene{
		ready: func(progress) bool { return time.Now().After(again) },
		play: func(context.Context) error {
			p.say("the %s is started again", a.Name)
			return a.Start()
		},
	})
	return nil
}

func (p *plot) faults() string {
	return fmt.Sprintf("programs killed: %d, hosts moved: %d", p.kills, p.moved)
}
