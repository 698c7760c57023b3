package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"shardclient/gen/labdb"
	"shardclient/runner/process"
)

// busy is a picture with something of everything.
func busy() picture {
	began := time.Unix(1000, 0)
	h := newHistory(2)
	for n := range 6 {
		s := h.second(time.Duration(n) * time.Second)
		s.backlog = int64(100 * n)
		s.master = cell{beats: n, down: n == 5}
		s.shards[0] = cell{beats: 1, longest: time.Duration(n*n) * 40 * time.Millisecond}
		s.shards[1] = cell{beats: n % 2, failed: max(0, n-4), down: n == 3}
	}
	shards := []shardLook{
		{DemoShardRow: labdb.DemoShardRow{Hosts: 20, BusyHosts: 18, Running: 17, Open: 60, Jobs: 200, ToSend: 7}, beats: 6},
		{DemoShardRow: labdb.DemoShardRow{Hosts: 21, Open: 9, Jobs: 9}, beats: 3, failed: 1},
	}
	return picture{
		since: 65 * time.Second, at: began.Add(9 * time.Second), state: "playing", seed: 7, suites: 12, names: []string{"shard1", "shard2"}, history: h,
		now: look{created: 600, assigned: 590, known: 100, answered: 15, shards: shards},
		faults: []*fault{
			{what: "master killed (SIGKILL)", since: 3 * time.Second, struck: began.Add(3 * time.Second), away: &process.Program{}},
			{what: "shard2: connections to PostgreSQL cut", since: 5 * time.Second, struck: began.Add(5 * time.Second), healed: began.Add(7 * time.Second)},
		},
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	want := []string{
		" 1:05  12 suites, 600 jobs                                      seed 7  playing",
		"",
		"         each second                 beats failed waits runs hosts to send done",
		" master  ·▂▃▄▅!                       15 beats answered, 10 jobs to assign",
		" shard1  ▁▃▅▆▇▇                          6      0    43   17 18/20       7  140",
		" shard2  ·▁·!·×                          3      1     9    0  0/21       0    0",
		" backlog ▁▃▄▅▆▇                       500 of 600 jobs not yet at their end",
		"",
		"  0:03  master killed (SIGKILL)                                  away for 6.0 s",
		"  0:05  shard2: connections to PostgreSQL cut                healed after 2.0 s",
		" ▂ beat, the higher the slower  × failed beat  ! killed  · no beat",
	}
	if diff := cmp.Diff(want, blocks.frame(busy(), 80, 24)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	coloured := blocks
	coloured.out.Colour = true
	var plain []string
	for _, line := range coloured.frame(busy(), 80, 24) {
		plain = append(plain, regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(line, ""))
	}
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("colours change the text (-want +got):\n%s", diff)
	}
	for _, line := range ascii.frame(busy(), 80, 24) {
		if strings.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Errorf("no ASCII: %s", line)
		}
	}
}

// However much there is to show, it fits, and what is not over is shown.
func TestFrameFits(t *testing.T) {
	t.Parallel()
	pic := busy()
	for n := range 300 {
		pic.history.second(time.Duration(n) * time.Second).backlog = int64(n)
	}
	for range 30 {
		pic.faults = append(pic.faults, pic.faults[1])
	}
	pic.now.shards[0].beats, pic.now.shards[0].Jobs, pic.now.created = 123456, 1234567, 3456789
	for _, width := range []int{80, 120, 300} {
		for _, height := range []int{12, 24, 60} {
			lines := blocks.frame(pic, width, height)
			if len(lines) > height {
				t.Errorf("%d lines on a terminal of %d", len(lines), height)
			}
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "away for") }) {
				t.Errorf("%d x %d: the fault that is not over is not shown:\n%s", width, height, strings.Join(lines, "\n"))
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) >= width {
					t.Errorf("too wide for %d columns: %s", width, line)
				}
			}
		}
	}
}

// A picture is drawn over the one before, also when the terminal has become narrower and has broken
// its lines.
func TestWindowDrawsOver(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	width := 80
	s := &window{out: &out, paint: blocks, size: func() (int, int) { return width, 24 }}
	s.paint.out.Colour = true
	drawn := func() string {
		out.Reset()
		s.draw(busy())
		return out.String()
	}
	if text := drawn(); strings.HasPrefix(text, "\r") || strings.Count(text, "\n") != 11 {
		t.Errorf("the first picture: %q", text)
	}
	if text := drawn(); !strings.HasPrefix(text, "\r\x1b[11A") {
		t.Errorf("the second one does not begin where the first did: %q", text)
	}
	width = 60
	broken := 0
	for _, line := range s.drawn {
		broken += max(1, (columns(line)+59)/60)
	}
	if text := drawn(); broken <= 11 || !strings.HasPrefix(text, fmt.Sprintf("\r\x1b[%dA", broken)) {
		t.Errorf("after a narrowing: %q", text)
	}
	for _, line := range s.drawn {
		if columns(line) >= width {
			t.Errorf("too wide: %q", line)
		}
	}
}

// The seed decides about the faults of the watch.
func TestSeedDrawsTheFaults(t *testing.T) {
	t.Parallel()
	draws := func(seed uint64) (all []drawn) {
		p := newPlot(&stage{}, small, seed, time.Time{})
		for range 20 {
			all = append(all, p.drawFault())
		}
		return all
	}
	if !slices.Equal(draws(1), draws(1)) || slices.Equal(draws(1), draws(2)) {
		t.Errorf("seed 1: %v, and again: %v; seed 2: %v", draws(1), draws(1), draws(2))
	}
}
