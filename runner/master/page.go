package master

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/masterdb"
	"shardclient/runner/page"
)

const (
	// askEvery is for how long the page shows the same rows, and askFor how long it waits for them.
	askEvery = 5 * time.Second
	askFor   = 2 * time.Second
)

// board is the master's status page. One page at a time is made, so it needs no lock.
type board struct {
	pool  *pgxpool.Pool
	seen  *sightings
	asked time.Time
	rows  []masterdb.ShardsShownRow
	err   error
}

func (b *board) document(ctx context.Context) *page.Document {
	now := b.seen.now()
	if b.asked.IsZero() || now.Sub(b.asked) >= askEvery {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		defer cancel()
		rows, err := masterdb.New(b.pool).ShardsShown(ctx)
		if b.asked, b.err = now, err; err == nil {
			b.rows = rows
		}
	}
	shards, beats := b.seen.all()
	return b.show(shards, beats, now)
}

// show makes the page of what is known.
func (b *board) show(shards map[string]sighted, beats []page.Bar, now time.Time) *page.Document {
	var lines page.All
	var silent, failing []string
	var free masterdb.ShardsShownRow
	count, waits := 0, int64(0)
	for _, row := range b.rows {
		if row.ID == 0 {
			free = row
			continue
		}
		seen, known := shards[row.Hostname]
		delete(shards, row.Hostname)
		count, waits = count+1, waits+row.OpenJobs
		switch {
		case known && seen.failures > 0:
			failing = append(failing, row.Hostname)
		case !known || seen.silent(now):
			silent = append(silent, row.Hostname)
		}
		lines = append(lines, line(row, &seen, now))
	}
	d := &page.Document{
		Name:   "Reference master",
		About:  page.All{page.Text("of an Autotest lab, up for " + page.Span(now.Sub(b.seen.began)))},
		Footer: page.All{page.Text("For programs: "), page.El("a", page.Attr("href", StatsPath), page.Text(StatsPath)), page.Text(". All times are in UTC.")},
		Sections: []page.Section{
			{ID: "shards", Heading: "Shards", Body: b.table(lines)},
			{ID: "strangers", Heading: "Callers that are no shard", Body: strangers(shards, now)},
			{ID: "beats", Heading: "The last heartbeats",
				Body: (&page.Plot{What: "heartbeats", Phases: []string{"answer"}, Bars: beats}).Draw("plot", now)},
			{ID: "counts", Heading: "What waits", Body: page.El("dl", page.Class("counts"),
				page.Tile("jobs on shards, not finished", page.Number(waits), false),
				page.Tile("jobs that no shard has got", page.Number(free.OpenJobs), false),
				page.Tile("hosts that no shard has got", page.Number(free.Hosts), false))},
		},
	}
	b.judge(d, count, silent, failing)
	return d
}

// judge says in a sentence how the shards are.
func (b *board) judge(d *page.Document, count int, silent, failing []string) {
	d.State = page.Warning
	switch {
	case b.err != nil:
		d.State, d.Sentence = page.Bad, "The database does not answer, so no heartbeat can be served."
		d.Advice = page.All{page.El("p", page.Text("See that PostgreSQL is up. What stands below may be old."))}
	case count == 0:
		d.State, d.Sentence = page.Waiting, "There is no shard yet."
		d.Advice = page.All{page.El("p", page.Text("Add one: "), page.El("code", page.Text("shard-lab shard add HOST --label LABEL")))}
	case len(failing) > 0:
		d.State, d.Sentence = page.Bad, fmt.Sprintf("Heartbeats of %s are refused: %s.", page.Count(int64(len(failing)), "shard", "shards"), some(failing))
	case len(silent) > 0:
		d.Sentence = fmt.Sprintf("%s of %d silent: %s.", page.Count(int64(len(silent)), "shard", "shards"), count, some(silent))
		d.Advice = page.All{page.El("p", page.Text("Look at the status page or the log of shard-client there."))}
	default:
		d.State, d.Sentence = page.Good, fmt.Sprintf("All is well: %s.", page.Count(int64(count), "shard beats", "shards beat"))
	}
}

// some names the first of a list.
func some(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more", len(names)-3)
	}
	return strings.Join(names, ", ")
}

func (b *board) table(lines page.All) page.Part {
	if len(lines) == 0 {
		return page.El("p", page.Class("none"), page.Text("None is known."))
	}
	return page.Table("shards-table", "The shards",
		[]page.Column{{Name: "Shard"}, {Name: "State"}, {Name: "Last heartbeat"}, {Name: "Answered in", Class: "n"}, {Name: "Hosts", Class: "n"},
			{Name: "Open jobs", Class: "n"}, {Name: "Jobs sent", Class: "n"}, {Name: "Jobs uploaded", Class: "n"}, {Name: "Labels"}}, lines)
}

// line is a row of the table of shards.
func line(row masterdb.ShardsShownRow, seen *sighted, now time.Time) page.Part {
	class, state := "isgood", "beats"
	when, answered := "none since the start", ""
	if !seen.last.IsZero() {
		when, answered = page.Span(now.Sub(seen.last))+" ago", page.Milliseconds(milliseconds(seen.took))
	}
	switch {
	case seen.failures > 0:
		class, state = "isbad", fmt.Sprintf("refused, %s", page.Count(int64(seen.failures), "time", "times"))
	case seen.last.IsZero(), seen.silent(now):
		class, state = "iswarning", "silent"
	}
	says := page.All{page.Text(state)}
	if seen.failure != "" {
		says = append(says, page.Text(": "), page.Foreign(seen.failure))
	}
	return page.Row(page.Foreign(row.Hostname), page.Cell{Class: class, Part: says}, page.Cell{Class: "when", Part: page.Text(when)},
		page.Cell{Class: "n", Part: page.Text(answered)}, page.Numeric(row.Hosts), page.Numeric(row.OpenJobs),
		page.Numeric(int64(seen.sentJobs)), page.Numeric(int64(seen.uploaded)), page.Cell{Part: page.Foreign(strings.Join(row.Labels, ", "))})
}

// strangers lists who called by a name that no shard has: a shard-client whose --shard-hostname is
// misspelt, or a shard that was removed.
func strangers(shards map[string]sighted, now time.Time) page.Part {
	names := slices.Sorted(maps.Keys(shards))
	if len(names) == 0 {
		return page.El("p", page.Class("none"), page.Text("None."))
	}
	list := page.All{page.Class("cards")}
	for _, name := range names[:min(len(names), 20)] {
		seen := shards[name]
		list = append(list, page.El("li", page.El("p", page.Class("what"), page.Foreign(name)), page.El("p", page.Foreign(seen.failure)),
			page.El("p", page.Class("faint"), page.Text(page.Count(int64(seen.beats), "call", "calls")+", the last one "+page.Span(now.Sub(seen.last))+" ago"))))
	}
	return page.El("ul", list)
}
