package master

import (
	"context"
	"runtime"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// aheadBytes is how large a request is that takes longer to read than to begin with it twice.
const aheadBytes = 128 << 10

// ahead is the look of a heartbeat that was begun before the rest of the request was read. To read
// an upload takes as long as the look takes PostgreSQL, and a client sends what the look needs
// before the jobs.
type ahead struct {
	beat *beat
	done chan struct{}
	err  error
}

// lookAhead begins to look if the request is large and begins with what is needed for it. Otherwise
// it returns nil. The look only reads, and whoever called waits for its end.
func (m *master) lookAhead(ctx context.Context, p *packet, user string) *ahead {
	if len(p.body) < aheadBytes {
		return nil
	}
	args := p.skim()
	if args == nil {
		return nil
	}
	args.user = user
	a := &ahead{beat: m.newBeat(args), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = pg.Read(ctx, m.pool, func(tx *pg.Tx) error { return a.beat.look(ctx, tx) })
	}()
	runtime.Gosched() // or it begins when another core has time for it
	return a
}

func (a *ahead) wait() {
	if a != nil {
		<-a.done
	}
}

// isFor reports whether the look is the one of a heartbeat with these arguments.
func (a *ahead) isFor(args *arguments) bool {
	return a != nil && a.beat.args.shard == args.shard && slices.Equal(a.beat.args.knownJobIDs, args.knownJobIDs) &&
		slices.Equal(a.beat.args.knownHostIDs, args.knownHostIDs)
}

// skim returns the arguments for a look if they come before the jobs and entries. It judges
// nothing: what it returns counts only if the whole request says the same.
func (p *packet) skim() *arguments {
	d := p.decoder()
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return nil
	}
	for d.PeekKind() == '"' {
		switch name, err := d.name(); {
		case err != nil:
			return nil
		case name == "params":
			return d.skimArguments()
		case d.SkipValue() != nil:
			return nil
		}
	}
	return nil
}

func (d *decoder) skimArguments() *arguments {
	for _, kind := range []jsontext.Kind{'[', '{'} {
		if token, err := d.ReadToken(); err != nil || token.Kind() != kind {
			return nil
		}
	}
	given := map[string]any{}
	for d.PeekKind() == '"' {
		name, err := d.name()
		if err != nil || name == "jobs" || name == "hqes" {
			return nil
		}
		if given[name], err = d.value(); err != nil {
			return nil
		}
		_, shard := given["shard_hostname"]
		_, jobs := given["known_job_ids"]
		_, hosts := given["known_host_ids"]
		if shard && jobs && hosts {
			args, err := bind(given, afe.Protocol2015) // which leaves the statuses for later
			if err != nil {
				return nil
			}
			return args
		}
	}
	return nil
}

// readied are the columns of an upload, made while PostgreSQL looks and locks. They count if all
// records are accepted.
type readied struct {
	done    chan struct{}
	jobs    masterdb.JobStoreParams
	entries masterdb.EntryStoreParams
	failed  bool // a value cannot be converted
}

func ready(args *arguments) *readied {
	r := &readied{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		jobs, entries := jobColumns(&r.jobs), entryColumns(&r.entries)
		refuses := func(c *columns) func(record) bool {
			return func(one record) bool { return c.add(one) != nil }
		}
		r.failed = slices.ContainsFunc(args.jobs, refuses(jobs)) || slices.ContainsFunc(args.entries, refuses(entries))
	}()
	return r
}
