package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// show displays the progress: as bars on a terminal, as a line now and then elsewhere.
type show interface {
	progress(progress)
	say(line string)
	close()
}

func newShow(out io.Writer, began time.Time, size size) show {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return newBars(out, size)
	}
	return &lines{out: out, began: began}
}

// everyLine is the time between two lines of progress.
const everyLine = 2 * time.Second

// lines show progress as plain text.
type lines struct {
	out   io.Writer
	began time.Time
	last  time.Time
}

func (l *lines) progress(p progress) {
	now := time.Now()
	if now.Sub(l.last) < everyLine {
		return
	}
	l.last = now
	l.say(fmt.Sprintf("%5.1f s  jobs: created %d, assigned %d, running %d, finished on the shard %d, "+
		"known to the master %d",
		now.Sub(l.began).Seconds(), p.created, p.assigned, p.running, p.finished, p.known))
}

func (l *lines) say(line string) { _, _ = fmt.Fprintln(l.out, line) }

func (l *lines) close() {}

// bars show progress on a terminal. Lines are printed above them.
type bars struct {
	container *mpb.Progress
	all       []*mpb.Bar
	jobs      int64
}

// barNames are the stages of a job, in order.
var barNames = []string{"created", "assigned", "running", "finished on the shard", "known to the master"}

func newBars(out io.Writer, size size) *bars {
	b := &bars{
		jobs:      size.jobs(),
		container: mpb.New(mpb.WithOutput(out), mpb.WithWidth(50), mpb.WithRefreshRate(turn/2)),
	}
	for _, name := range barNames {
		b.all = append(b.all, b.container.AddBar(b.jobs,
			mpb.PrependDecorators(decor.Name(name, decor.WC{W: 22, C: decor.DindentRight})),
			mpb.AppendDecorators(decor.CountersNoUnit("%d of %d"))))
	}
	return b
}

func (b *bars) progress(p progress) {
	for i, n := range []int64{p.created, p.assigned, p.running, p.finished, p.known} {
		b.all[i].SetTotal(max(p.created, b.jobs), false)
		b.all[i].SetCurrent(n)
	}
}

// say fails only when the terminal is gone.
func (b *bars) say(line string) { _, _ = fmt.Fprintln(b.container, line) }

func (b *bars) close() {
	for _, bar := range b.all {
		bar.Abort(false)
	}
	b.container.Wait()
}
