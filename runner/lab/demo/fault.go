package demo

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/labdb"
	"shardclient/runner/process"
)

// fault is something that strikes, and that the lab must mend by itself; or a change that somebody
// makes on the master, and that must reach the shards.
type fault struct {
	what   string
	change bool
	since  time.Duration // from the beginning to its strike
	struck time.Time
	healed time.Time // zero until it is
	away   *process.Program
	back   time.Time // when what is away is started again, then when that was done
	isOver func(context.Context, look) (bool, error)
}

// state says where a fault is between its strike and its end, and whether it is over.
func (f *fault) state(now time.Time) (text string, over bool) {
	word, end := "healing for", now
	if f.change {
		word = "under way for"
	}
	switch {
	case !f.healed.IsZero() && f.change:
		word, end = "done after", f.healed
	case !f.healed.IsZero():
		word, end = "healed after", f.healed
	case f.away != nil:
		word = "away for"
	}
	return fmt.Sprintf("%s %.1f s", word, end.Sub(f.struck).Seconds()), !f.healed.IsZero()
}

// tend starts again what was away for long enough, and notes when a fault is over.
func (f *fault) tend(ctx context.Context, now look) error {
	if f.away != nil && !time.Now().Before(f.back) {
		if err := f.away.Start(); err != nil {
			return err
		}
		f.away, f.back = nil, time.Now()
	}
	if f.away != nil || !f.healed.IsZero() {
		return nil
	}
	over, err := f.isOver(ctx, now)
	if over {
		f.healed = time.Now()
	}
	return err
}

// abort lets somebody abort the last jobs of the newest suite. It is over when the master knows
// the end of each.
func (p *plot) abort(ctx context.Context) error {
	ids := p.children[max(0, len(p.children)-p.size.aborted):]
	jobs, err := p.stage.people.AbortJobs(ctx, owner, ids...)
	if err != nil {
		return err
	}
	aborted := 0
	for _, job := range jobs {
		if job.Entries > 0 {
			aborted++
		}
	}
	p.aborted += aborted
	return p.strike(&fault{
		what: fmt.Sprintf("%s of suite %d aborted by somebody", plural(aborted, "job"), p.suites), change: true,
		isOver: func(ctx context.Context, _ look) (bool, error) {
			open, err := labdb.New(p.stage.masterDB).DemoOpenEntries(ctx, ids)
			return open == 0, err
		},
	})
}

// moveHost makes a host one of another board, and with it of another shard. It is over when the one
// shard has it no more, and the other has it.
func (p *plot) moveHost(ctx context.Context, from, to *shard) error {
	p.moved++
	host := hostOf(from.board, p.moved)
	if _, err := p.stage.people.MoveHosts(ctx, boardLabel(to.board), host); err != nil {
		return err
	}
	return p.strike(&fault{
		what: fmt.Sprintf("host %s: from %s to %s", host, from.hostname, to.hostname), change: true,
		isOver: func(ctx context.Context, _ look) (bool, error) {
			there, err := labdb.New(from.db).DemoHasHost(ctx, host)
			if there || err != nil {
				return false, err
			}
			return labdb.New(to.db).DemoHasHost(ctx, host)
		},
	})
}

// killClient is over with the first good beat of the client that is started afterwards.
func (p *plot) killClient(number int, away time.Duration) error {
	one := p.stage.shards[number]
	one.client.Kill()
	f := &fault{what: one.hostname + ": shard-client killed (SIGKILL)", away: one.client, back: time.Now().Add(away)}
	f.isOver = func(_ context.Context, now look) (bool, error) { return now.shards[number].lastOK.After(f.back), nil }
	return p.strike(f)
}

// killMaster is over when each shard has had a good beat with the master that is started
// afterwards.
func (p *plot) killMaster(away time.Duration) error {
	p.stage.master.Kill()
	f := &fault{what: "master killed (SIGKILL)", away: p.stage.master, back: time.Now().Add(away)}
	f.isOver = func(_ context.Context, now look) (bool, error) {
		for _, one := range now.shards {
			if !one.lastOK.After(f.back) {
				return false, nil
			}
		}
		return true, nil
	}
	return p.strike(f)
}

// cutClient is over with the first good beat after it.
func (p *plot) cutClient(ctx context.Context, number int) error {
	one := p.stage.shards[number]
	if _, err := labdb.New(one.db).DemoCutClient(ctx); err != nil {
		return err
	}
	f := &fault{what: one.hostname + ": connections to PostgreSQL cut"}
	f.isOver = func(_ context.Context, now look) (bool, error) { return now.shards[number].lastOK.After(f.struck), nil }
	return p.strike(f)
}

// strike notes a fault that has struck.
func (p *plot) strike(f *fault) error {
	f.struck, f.since = time.Now(), time.Since(p.began)
	p.faults = append(p.faults, f)
	return nil
}

// tend looks after all faults, and reports which have ended with that.
func (p *plot) tend(ctx context.Context, now look) (healed []*fault, err error) {
	for _, f := range p.faults {
		if !f.healed.IsZero() {
			continue
		}
		if err := f.tend(ctx, now); err != nil {
			return healed, fmt.Errorf("%s: %w", f.what, err)
		}
		if !f.healed.IsZero() {
			healed = append(healed, f)
		}
	}
	return healed, nil
}

// unhealed counts the faults and changes that are not over.
func (p *plot) unhealed() int {
	return p.count(func(f *fault) bool { return f.healed.IsZero() })
}

func (p *plot) count(which func(*fault) bool) (count int) {
	for _, f := range p.faults {
		if which(f) {
			count++
		}
	}
	return count
}

// plural counts things in words.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
