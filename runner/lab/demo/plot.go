package demo

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// outage is how long a killed program stays away in the play.
	outage = 1500 * time.Millisecond

	// longestOutage bounds it in the watch: long enough for a beat to fail, whose last attempt to
	// call the master comes after 7 s.
	longestOutage = 12 * time.Second

	// A fault of the watch strikes at least quietLeast after the one before, quietMore later at
	// most, and not while two others are at work: people want to see them heal.
	quietLeast, quietMore = 4 * time.Second, 8 * time.Second
	atOnce                = 2
)

// plot decides what happens, and when. Suites are created by time; what else is in the play depends
// on how many jobs have finished, and comes when the fault before it is over. The faults of the
// watch that follows are drawn.
type plot struct {
	stage *stage
	size  size
	began time.Time // of the play

	suites    int
	nextSuite time.Time
	children  []int64 // of the newest suite
	scenes    []scene
	faults    []*fault

	draw      *rand.Rand
	nextFault time.Time

	aborted, moved int
}

// scene is played once, when it is ready.
type scene struct {
	ready func(now look) bool
	play  func(context.Context) error
}

func newPlot(s *stage, size size, seed uint64, began time.Time) *plot {
	p := &plot{stage: s, size: size, began: began, draw: rand.New(rand.NewPCG(seed, 0))}
	finished := func(share float64) func(look) bool {
		return func(now look) bool { return float64(now.finished()) >= share*float64(size.jobs()) }
	}
	p.scenes = []scene{
		{finished(0.10), p.abort},
		{finished(0.25), func(context.Context) error { return p.killClient(1, outage) }},
		{finished(0.40), func(ctx context.Context) error { return p.moveHost(ctx, s.shards[0], s.shards[2]) }},
		{finished(0.50), func(context.Context) error { return p.killMaster(size.masterAway) }},
		{finished(0.75), func(ctx context.Context) error { return p.cutClient(ctx, 0) }},
	}
	return p
}

// over reports whether nothing more will happen by itself.
func (p *plot) over() bool { return p.suites >= p.size.suites && len(p.scenes)+p.unhealed() == 0 }

// advance lets happen what is due. With watch, suites and faults never end. It returns the faults
// that have struck.
func (p *plot) advance(ctx context.Context, now look, watch bool) (struck []*fault, err error) {
	if time.Now().After(p.nextSuite) && (p.suites < p.size.suites || watch) {
		if err := p.suite(ctx); err != nil {
			return nil, err
		}
	}
	before := len(p.faults)
	switch {
	case len(p.scenes) > 0 && p.unhealed() == 0 && p.scenes[0].ready(now):
		next := p.scenes[0]
		p.scenes = p.scenes[1:]
		err = next.play(ctx)
	case len(p.scenes) == 0 && watch && p.suites > p.size.suites:
		err = p.surprise(ctx, now)
	}
	return p.faults[before:], err
}

func (p *plot) suite(ctx context.Context) error {
	board, children, wait := boards[p.suites%len(boards)], p.size.children, betweenSuite
	if p.suites >= p.size.suites {
		children, wait = max(2, p.size.children/5), watchSuite
	}
	created, err := p.stage.createSuite(ctx, board, p.suites+1, children)
	if err != nil {
		return err
	}
	p.suites++
	p.children, p.nextSuite = created.ChildIDs, time.Now().Add(wait)
	return nil
}

// drawn is what the seed decides about a fault of the watch. What it meets is up to the machine.
type drawn struct {
	kind, shard int
	away        time.Duration // of what is killed
	quiet       time.Duration // until the next fault
}

func (p *plot) drawFault() drawn {
	return drawn{
		kind: p.draw.IntN(5), shard: p.draw.IntN(len(boards)),
		away:  outage + time.Duration(p.draw.Int64N(int64(longestOutage-outage))),
		quiet: quietLeast + time.Duration(p.draw.Int64N(int64(quietMore))),
	}
}

// surprise lets a drawn fault strike when it is time. One that cannot be, such as the kill of what
// is away, does not.
func (p *plot) surprise(ctx context.Context, now look) error {
	if time.Now().Before(p.nextFault) || p.unhealed() >= atOnce {
		return nil
	}
	d := p.drawFault()
	p.nextFault = time.Now().Add(d.quiet)
	one := p.stage.shards[d.shard]
	switch {
	case d.kind == 0:
		return p.abort(ctx)
	case d.kind == 1 && p.moved < p.size.boardHosts && int(now.shards[d.shard].Hosts) > p.size.boardHosts/2:
		return p.moveHost(ctx, one, p.stage.shards[fewestHosts(now, d.shard)])
	case d.kind == 2 && !p.stage.master.Ended():
		return p.killMaster(d.away)
	case d.kind == 3 && !one.client.Ended():
		return p.killClient(d.shard, d.away)
	case d.kind == 4 && !one.client.Ended():
		return p.cutClient(ctx, d.shard)
	}
	return nil
}

// fewestHosts returns the shard that has the fewest hosts, and is not this one.
func fewestHosts(now look, not int) int {
	fewest := -1
	for i, one := range now.shards {
		if i != not && (fewest < 0 || one.Hosts < now.shards[fewest].Hosts) {
			fewest = i
		}
	}
	return fewest
}

// end brings back at once what is away, and lets nothing more happen.
func (p *plot) end() {
	p.scenes = nil
	for _, f := range p.faults {
		if f.away != nil {
			f.back = time.Now()
		}
	}
}
