package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"shardclient/runner/screen"
)

// show displays what happens: as a picture on a terminal that is drawn again and again, as a line
// now and then elsewhere.
type show interface {
	draw(picture)    // what it is like now
	struck(f *fault) // a fault has struck
	healed(f *fault) // and is over
	say(what string) // what people are told once
}

func newShow(out io.Writer, began time.Time) show {
	to := screen.Of(out)
	if to.Width == 0 || os.Getenv("TERM") == "dumb" {
		return &lines{out: out, began: began}
	}
	s := &window{out: out, paint: blocks, size: func() (int, int) {
		width, height, err := term.GetSize(int(out.(*os.File).Fd()))
		if err != nil || width == 0 || height == 0 {
			return 80, 24
		}
		return width, height
	}}
	if !speaksUTF8(os.Getenv) {
		s.paint = ascii
	}
	s.paint.out = to
	return s
}

// speaksUTF8 reports whether the locale lets a terminal expect UTF-8. Where none is set, as in a
// container, it does.
func speaksUTF8(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(env(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// everyLine is the time between two lines of progress.
const everyLine = 2 * time.Second

// lines show progress as plain text.
type lines struct {
	out   io.Writer
	began time.Time
	told  time.Duration // when the last line of progress was written
}

func (l *lines) draw(pic picture) {
	if l.told > 0 && pic.since-l.told < everyLine {
		return
	}
	l.told = pic.since
	var waiting, running, toSend int64
	for _, one := range pic.now.shards {
		waiting, running, toSend = waiting+one.waiting(), running+one.Running, toSend+one.ToSend
	}
	l.print(pic.since, fmt.Sprintf("%s: %d to assign, %d wait, %d run, %d to send, %d done",
		plural(int(pic.now.created), "job"), pic.now.created-pic.now.assigned, waiting, running, toSend, pic.now.known))
}

func (l *lines) struck(f *fault) { l.print(f.since, f.what) }

func (l *lines) healed(f *fault) {
	text, _ := f.state(f.healed)
	l.print(f.healed.Sub(l.began), f.what+": "+text)
}

func (l *lines) say(what string) { l.print(time.Since(l.began), what) }

func (l *lines) print(since time.Duration, what string) {
	_, _ = fmt.Fprintf(l.out, "%6s  %s\n", clock(since), what)
}

// window is a terminal on which the newest picture stands below everything else.
type window struct {
	out   io.Writer
	paint paint
	size  func() (width, height int)
	drawn []string // the lines of the picture that stands there
}

func (s *window) draw(pic picture) {
	width, height := s.size()
	// The terminal may have been made narrower since, and have broken lines.
	up := 0
	for _, line := range s.drawn {
		up += max(1, (columns(line)+width-1)/width)
	}
	var text strings.Builder
	if up > 0 {
		fmt.Fprintf(&text, "\r\x1b[%dA", up)
	}
	s.drawn = s.paint.frame(pic, width, height-1)
	for i, line := range s.drawn {
		s.drawn[i] = clip(line, width-1)
		text.WriteString(s.drawn[i] + "\x1b[K\n")
	}
	text.WriteString("\x1b[J")
	_, _ = io.WriteString(s.out, text.String()) // when the terminal is gone, so are its readers
}

func (s *window) struck(*fault) {}
func (s *window) healed(*fault) {}
func (s *window) say(string)    {}

// columns counts those of a line, without the sequences for colours.
func columns(line string) (n int) {
	for rest := line; rest != ""; {
		begin, after, found := strings.Cut(rest, "\x1b[")
		n += utf8.RuneCountInString(begin)
		if !found {
			return n
		}
		_, rest, _ = strings.Cut(after, "m")
	}
	return n
}

// clip cuts a line to a width. A line with colours fits unless the terminal is very narrow; then it
// loses them.
func clip(line string, width int) string {
	if columns(line) <= width {
		return line
	}
	var text strings.Builder
	for rest := line; rest != ""; {
		begin, after, _ := strings.Cut(rest, "\x1b[")
		text.WriteString(begin)
		_, rest, _ = strings.Cut(after, "m")
	}
	return string([]rune(text.String())[:max(0, width)])
}
