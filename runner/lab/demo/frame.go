package demo

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shardclient/runner/screen"
)

// picture is what a frame shows.
type picture struct {
	since   time.Duration
	state   string // of the play: playing, coming to rest, ...
	seed    uint64
	suites  int
	now     look
	names   []string // of the shards
	history *history
	faults  []*fault
	at      time.Time // for the age of faults that are not over
}

// paint says how a frame may look.
type paint struct {
	out    screen.Out
	ramp   []rune // from little to much; no full block, which would touch the row above
	failed rune
	none   rune // no beat
}

var (
	blocks = paint{ramp: []rune("▁▂▃▄▅▆▇"), failed: '×', none: '·'}
	ascii  = paint{ramp: []rune("_.-~=+#"), failed: 'x', none: ' '}
)

// most is the last of a ramp.
const most = 6

// Further colours. Nothing is said by colour alone.
const bold, blue = "1", "34"

const (
	// nameWidth is for the name of a row, and the gap after it.
	nameWidth = 9

	// A row has a column for each of that many seconds; the width of the terminal decides.
	leastStrip, mostStrip = 8, 120

	// maxFaults are shown at a time.
	maxFaults = 8
)

var headings = []string{"beats", "failed", "waits", "runs", "hosts", "to send", "done"}

// frame draws a picture in lines of at most width columns, at most height of them.
func (p paint) frame(pic picture, width, height int) []string {
	rows, widths := p.cells(pic)
	columns := 0
	for _, w := range widths {
		columns += w + 1
	}
	strip := min(max(width-1-nameWidth-columns, leastStrip), mostStrip)
	seconds := pic.history.last(strip)

	lines := []string{p.title(pic, width), ""}
	heading := fmt.Sprintf("%-*s%-*s", nameWidth, "", strip, "each second")
	for i, name := range headings {
		heading += fmt.Sprintf(" %*s", widths[i], name)
	}
	lines = append(lines, p.out.Paint(screen.Grey, heading))
	lines = append(lines, p.row("master", seconds, strip, func(s *second) cell { return s.master }, answeredLevel)+
		fmt.Sprintf("  %s answered, %s to assign", plural(int(pic.now.answered), "beat"), plural(int(pic.now.created-pic.now.assigned), "job")))
	for i, name := range pic.names {
		line := p.row(name, seconds, strip, func(s *second) cell { return s.shards[i] }, beatLevel)
		for c, text := range rows[i] {
			text = fmt.Sprintf(" %*s", widths[c], text)
			if headings[c] == "failed" && strings.TrimSpace(text) != "0" {
				text = p.out.Paint(screen.Red, text)
			}
			line += text
		}
		lines = append(lines, line)
	}
	lines = append(lines, p.backlog(pic, seconds, strip), "")
	legend := fmt.Sprintf("%c beat, the higher the slower  %c failed beat  ! killed", p.ramp[1], p.failed)
	if p.none != ' ' {
		legend += fmt.Sprintf("  %c no beat", p.none)
	}
	return append(lines, append(p.faults(pic.faults, pic.at, width, height-len(lines)-2), p.out.Paint(screen.Grey, " "+legend))...)
}

func (p paint) title(pic picture, width int) string {
	left := fmt.Sprintf(" %s  %s, %s", clock(pic.since), plural(pic.suites, "suite"), plural(int(pic.now.created), "job"))
	right := fmt.Sprintf("seed %d  %s", pic.seed, pic.state)
	gap := strings.Repeat(" ", max(2, width-1-utf8.RuneCountInString(left)-utf8.RuneCountInString(right)))
	return p.out.Paint(bold, left+gap+right)
}

// cells returns the numbers of each shard, and how wide each column of them is.
func (p paint) cells(pic picture) (rows [][]string, widths []int) {
	for _, one := range pic.now.shards {
		rows = append(rows, []string{
			fmt.Sprint(one.beats), fmt.Sprint(one.failed), fmt.Sprint(one.waiting()), fmt.Sprint(one.Running),
			fmt.Sprintf("%d/%d", one.BusyHosts, one.Hosts), fmt.Sprint(one.ToSend), fmt.Sprint(one.finished()),
		})
	}
	for c, name := range headings {
		width := len(name)
		for _, row := range rows {
			width = max(width, len(row[c]))
		}
		widths = append(widths, width)
	}
	return rows, widths
}

// row draws a program's name and a column for each second.
func (p paint) row(name string, seconds []*second, strip int, of func(*second) cell, level func(cell) int) string {
	line, down := "", false
	for _, s := range seconds {
		c := of(s)
		down = c.down
		switch {
		case c.failed > 0:
			line += p.out.Paint(screen.Red, string(p.failed))
		case c.down:
			line += p.out.Paint(screen.Red, "!")
		case c.beats > 0:
			line += p.out.Paint(screen.Green, string(p.ramp[level(c)]))
		default:
			line += p.out.Paint(screen.Grey, string(p.none))
		}
	}
	shown := fmt.Sprintf(" %-*s", nameWidth-1, name)
	if down {
		shown = p.out.Paint(screen.Red, shown)
	}
	return shown + line + strings.Repeat(" ", strip-len(seconds))
}

// answeredLevel is higher the more heartbeats a master has answered.
func answeredLevel(c cell) int { return min(c.beats, most) }

// beatLevel is higher the longer a beat took: 15 ms, 30 ms, 60 ms, ..., 1 s.
func beatLevel(c cell) int {
	return min(bits.Len(uint(c.longest/(15*time.Millisecond))), most)
}

// backlog draws how many jobs had not come to their end.
func (p paint) backlog(pic picture, seconds []*second, strip int) string {
	line, peak := "", int64(1)
	for _, s := range seconds {
		peak = max(peak, s.backlog)
	}
	for _, s := range seconds {
		line += string(p.ramp[(s.backlog*most+peak-1)/peak])
	}
	return fmt.Sprintf(" %-*s", nameWidth-1, "backlog") + p.out.Paint(blue, line) + strings.Repeat(" ", strip-len(seconds)) +
		fmt.Sprintf("  %d of %s not yet at their end", pic.now.backlog(), plural(int(pic.now.created), "job"))
}

// faults shows the newest faults that there is room for, those that are not over before others.
func (p paint) faults(all []*fault, at time.Time, width, room int) (lines []string) {
	shown := slices.Clone(all)
	for len(shown) > max(0, min(room, maxFaults)) {
		over := slices.IndexFunc(shown, func(f *fault) bool { return !f.healed.IsZero() })
		shown = slices.Delete(shown, max(over, 0), max(over, 0)+1)
	}
	for _, f := range shown {
		text, over := f.state(at)
		line, colour := fmt.Sprintf(" %5s  %s", clock(f.since), f.what), screen.Yellow
		if over {
			colour = screen.Green
		}
		gap := strings.Repeat(" ", max(2, width-1-utf8.RuneCountInString(line)-len(text)))
		lines = append(lines, line+gap+p.out.Paint(colour, text))
	}
	return lines
}

// clock shows a time since the beginning.
func clock(since time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(since.Minutes()), int(since.Seconds())%60)
}
