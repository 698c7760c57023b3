package status

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"shardclient/runner/hint"
	"shardclient/runner/operator"
	"shardclient/runner/ops"
	"shardclient/runner/page"
)

// view is what one page is made of.
type view struct {
	now    time.Time
	health ops.HealthStatus
	seen   seen
	stored stored
	o      *Options
}

func (v *view) document() *page.Document {
	how, heading := v.judge(), "Beats"
	if n := len(v.seen.beats); n > 0 {
		heading = "The last " + page.Count(int64(n), "beat", "beats")
	}
	return &page.Document{
		Name: v.o.ShardHostname,
		About: page.All{page.Text("shard of "), page.Foreign(v.o.Redact(v.o.Master)), page.Text(", served by shard-client "),
			page.Foreign(v.o.Version), page.Text(" for " + page.Span(v.now.Sub(v.o.Began)))},
		State: how.state, Sentence: how.sentence, Advice: v.advise(how),
		Sections: []page.Section{
			{ID: "beats", Heading: heading, Body: v.beats()},
			{ID: "counts", Heading: "Counts", Body: v.counts()},
			{ID: "quarantine", Heading: "Quarantine", Body: v.quarantine()},
			{ID: "settings", Heading: "Settings", Body: v.settings()},
		},
		Footer: page.All{page.Text("For programs: "), link("/metrics"), page.Text(", "), link("/healthz"), page.Text(", "), link("/readyz"),
			page.Text(". All times are in UTC.")},
	}
}

func link(path string) page.Part { return page.El("a", page.Attr("href", path), page.Text(path)) }

// advise says what to do, and repeats what failed.
func (v *view) advise(how verdict) page.Part {
	if how.advice == "" {
		return nil
	}
	says := page.All{page.El("p", page.Text(how.advice))}
	if n := len(v.seen.beats); how.class != "" && n > 0 && !v.seen.beats[n-1].OK() {
		says = append(says, page.El("p", page.Class("quote"), page.Foreign(v.seen.beats[n-1].Error)))
	}
	if how.class != "" {
		says = append(says, page.El("p", page.Text("More in the runbook, under "), page.El("code", page.Text(how.class)), page.Text(".")))
	}
	return says
}

func (v *view) beats() page.Part {
	plot := page.Plot{What: "beats"}
	for i := range v.seen.beats {
		b := &v.seen.beats[i]
		bar := page.Bar{At: b.EndedAt(), Failed: !b.OK()}
		told, names := "", []string{}
		for name, took := range b.Phases() {
			ms := float64(took) / float64(time.Millisecond)
			bar.MS, names = append(bar.MS, ms), append(names, name)
			told += ", " + name + " " + page.Milliseconds(ms)
		}
		plot.Phases = names
		bar.Told = page.Clock(bar.At, v.now) + " " + outcome(b) + told
		plot.Bars = append(plot.Bars, bar)
	}
	return page.All{plot.Draw("plot", v.now), page.When(len(plot.Bars) > 0, v.table(&plot))}
}

func outcome(b *operator.Beat) string {
	if b.OK() {
		return "ok"
	}
	return "failed: " + b.Failure
}

// table is the plot for those who cannot see it, or want to know more.
func (v *view) table(plot *page.Plot) page.Part {
	columns := []page.Column{{Name: "Ended"}, {Name: "Outcome"}, {Name: "Whole", Class: "n"}}
	for _, phase := range plot.Phases {
		columns = append(columns, page.Column{Name: phase, Class: "n"})
	}
	columns = append(columns, page.Column{Name: "Jobs sent", Class: "n"}, page.Column{Name: "Jobs received", Class: "n"},
		page.Column{Name: "Set aside", Class: "n"}, page.Column{Name: "Error"})
	var rows page.All
	for i, b := range slices.Backward(v.seen.beats) {
		cells := []page.Cell{{Class: "isgood", Part: page.Text("ok")}, duration(b.TookMS)}
		if !b.OK() {
			cells[0] = page.Cell{Class: "isbad", Part: page.Foreign(outcome(&b))}
		}
		for _, ms := range plot.Bars[i].MS {
			cells = append(cells, duration(ms))
		}
		cells = append(cells, page.Numeric(int64(b.UploadedJobs)), page.Numeric(int64(b.ReceivedJobs)), page.Numeric(int64(b.Quarantined)))
		if b.OK() {
			cells = append(cells, page.Cell{Part: page.All{}})
		} else {
			cells = append(cells, page.Cell{Class: "long", Part: page.Foreign(b.Error)})
		}
		rows = append(rows, page.Row(page.Time(plot.Bars[i].At, v.now), cells...))
	}
	return page.El("details", page.Attr("id", "table"),
		page.El("summary", page.Attr("id", "table-summary"), page.Text("The same as a table")),
		page.Table("table", "The last beats, the newest first", columns, rows))
}

func duration(ms float64) page.Cell {
	return page.Cell{Class: "n", Part: page.Text(page.Milliseconds(ms))}
}

func (v *view) counts() page.Part {
	s, known := &v.seen, func(n int) string { return page.Number(int64(n)) }
	if !s.sent {
		known = func(int) string { return "?" }
	}
	uploaded, received := 0, 0
	for i := range s.beats {
		uploaded, received = uploaded+s.beats[i].UploadedJobs, received+s.beats[i].ReceivedJobs
	}
	shown := page.All{
		page.Class("counts"),
		page.Tile("finished jobs waiting", known(s.pending), false),
		page.Tile("jobs known and not finished", known(s.knownJobs), false),
		page.Tile("hosts known", known(s.knownHosts), false),
		page.Tile("jobs uploaded in "+page.Count(int64(len(s.beats)), "beat", "beats"), page.Number(int64(uploaded)), false),
		page.Tile("jobs received in "+page.Count(int64(len(s.beats)), "beat", "beats"), page.Number(int64(received)), false),
	}
	if q := s.quarantine; q != nil {
		shown = append(shown,
			page.Tile("set aside: cannot be stored", page.Number(q.In-q.WaitingForHost), q.In > q.WaitingForHost),
			page.Tile("set aside: refused by the master", page.Number(q.Out), q.Out > 0),
			page.When(q.WaitingForHost > 0, page.Tile("set aside: wait for a host", page.Number(q.WaitingForHost), false)),
			page.When(q.Taken > 0, page.Tile("set aside: id is taken", page.Number(q.Taken), true)))
	}
	if s.batch.Jobs > 0 {
		shown = append(shown, page.Tile("jobs at most in an upload now", page.Number(int64(s.batch.Jobs)), false))
	}
	return page.El("dl", shown)
}

// quarantine lists what is set aside, and says how old the list is.
func (v *view) quarantine() page.Part {
	s := &v.stored
	var says page.All
	switch age := page.Span(v.now.Sub(s.answered)); {
	case s.err != "" && s.answered.IsZero():
		return page.All{page.El("p", page.Class("iswarning"), page.Text("The database does not say what is set aside.")),
			page.El("p", page.Class("quote"), page.Foreign(s.err))}
	case s.answered.IsZero():
		return page.El("p", page.Class("none"), page.Text("Not read yet: the client does not have its database."))
	case s.err != "":
		says = page.All{page.El("p", page.Class("iswarning"), page.Text("The database does not answer at present. This is "+age+" old:")),
			page.El("p", page.Class("quote"), page.Foreign(s.err))}
	}
	if len(s.objects) == 0 {
		return append(says, page.El("p", page.Class("none"), page.Text("Nothing is set aside: all that came is stored, and all that was sent was accepted.")))
	}
	list := page.All{page.Class("cards")}
	for i := range s.objects[:min(len(s.objects), shownObjects)] {
		list = append(list, v.card(&s.objects[i]))
	}
	says = append(says, page.El("ul", list))
	if len(s.objects) > shownObjects {
		says = append(says, page.El("p", page.Class("faint"), page.Text(fmt.Sprintf("These are the %d that were seen last. ", shownObjects)),
			page.El("code", page.Text("shard-client quarantine list")), page.Text(" has all.")))
	}
	return says
}

// waitingForHost is the code of a job that only waits for a host, which is no alarm.
const waitingForHost = "waiting_for_host"

func (v *view) card(q *operator.Quarantined) page.Part {
	class, where := "", "from the master, cannot be stored"
	if q.Direction == "out" {
		where = "from here, not sent to the master"
	}
	if q.Code == waitingForHost {
		class, where = "calm", "from the master, only waits for a host to arrive"
	}
	id := ""
	if q.ID != nil {
		id = " " + strconv.FormatInt(*q.ID, 10)
	}
	return page.El("li", page.Class(class),
		page.El("p", page.Class("what"), page.Foreign(q.Kind), page.Text(id+" "), page.El("code", page.Foreign(q.Code))),
		page.El("p", page.Foreign(q.Reason)),
		page.When(hint.OfCode(q.Code) != "", page.El("p", page.Text(sentence(hint.OfCode(q.Code))))),
		page.El("p", page.Class("faint"), page.Text(where+"; "+page.Count(q.Occurrences, "time", "times")+", first "),
			page.Time(q.FirstSeen, v.now), page.Text(", last "), page.Time(q.LastSeen, v.now)))
}

func (v *view) settings() page.Part {
	list := page.All{page.Class("settings")}
	for _, s := range v.o.Settings() {
		s.Value, s.Source = v.o.Redact(s.Value), v.o.Redact(s.Source)
		value := page.All{page.El("code", page.Foreign(s.Value))}
		if s.Value == "" {
			value = page.All{page.El("span", page.Class("faint"), page.Text("not set"))}
		}
		if s.Source != "" {
			value = append(value, page.El("span", page.Class("faint"), page.Text(" ("), page.Foreign(s.Source), page.Text(")")))
		}
		list = append(list, page.El("dt", page.Foreign(s.Name)), page.El("dd", value))
	}
	return page.El("details", page.Attr("id", "all-settings"),
		page.El("summary", page.Attr("id", "all-settings-summary"), page.Text("All settings, without secrets")), page.El("dl", list))
}
