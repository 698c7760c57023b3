// Package screen knows how wide and how colourful the output of a command may be, and writes what
// people read at a glance: ages, durations, a sparkline, a cut line. It knows nothing of what is
// shown. What goes to a file or a pipe is neither cut nor coloured. At a terminal it also asks
// questions, and shows how far a long work is.
package screen

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Out is where a command writes to.
type Out struct {
	io.Writer
	// Width is the number of columns; 0: it is no terminal, and lines may be as long as they are.
	Width int
	// Colour reports whether colours are welcome.
	Colour bool

	height int  // in lines; 0: unknown
	dumb   bool // it only writes what it is sent
}

// leastWidth is that of a terminal which does not say it, or says something that nobody can read
// in.
const leastWidth = 40

// Of looks at a writer. COLUMNS has the last word about the width of a terminal. NO_COLOR
// (https://no-color.org) and a dumb terminal keep it plain.
func Of(w io.Writer) Out {
	out := Out{Writer: w}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return out
	}
	out.Width, out.height, _ = term.GetSize(int(file.Fd()))
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		out.Width = columns
	}
	if out.Width <= 0 {
		out.Width = 80
	}
	out.Width = max(out.Width, leastWidth)
	out.dumb = dumb()
	out.Colour = os.Getenv("NO_COLOR") == "" && !out.dumb
	return out
}

func dumb() bool { return os.Getenv("TERM") == "dumb" }

// The colours of what is good, noteworthy, bad, and of no interest.
const (
	Green  = "32"
	Yellow = "33"
	Red    = "31"
	Grey   = "90"
)

// Paint returns a text in a colour, where those are welcome.
func (o Out) Paint(colour, text string) string {
	if !o.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Picture writes a text over what the terminal shows, in one go, so that nothing flickers. What
// does not fit below is left out. A dumb terminal gets one below the other.
func (o Out) Picture(text string) error {
	if o.dumb {
		_, err := io.WriteString(o.Writer, text+"\n")
		return err
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if o.height > 1 && len(lines) >= o.height {
		lines = lines[:o.height-1]
	}
	_, err := io.WriteString(o.Writer, "\x1b[H"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\n\x1b[J")
	return err
}

// Fit cuts a line that is too wide for a terminal. A colour must come afterwards.
func (o Out) Fit(line string) string {
	if o.Width == 0 || utf8.RuneCountInString(line) <= o.Width {
		return line
	}
	return string([]rune(line)[:o.Width-1]) + "…"
}

// Wrap breaks a text into lines of the terminal's width, or of 80 columns where there is none,
// which all but the first begin with this many blanks. A word that is wider stays whole: people
// copy commands and addresses.
func (o Out) Wrap(text string, indent int) string {
	width := o.Width
	if width == 0 {
		width = 80
	}
	var wrapped strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+length > width:
			wrapped.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			wrapped.WriteString(" ")
			column++
		}
		wrapped.WriteString(word)
		column += length
	}
	return wrapped.String()
}

// Duration returns a time as people say it, in its two largest units: 850 ms, 4.2 s, 3m12s, 5h02m,
// 8d03h. A negative one, as of two clocks that disagree, is 0.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < 9995*time.Microsecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%d ms", int(math.Round(float64(d.Microseconds())/1000)))
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	switch s := int64(math.Round(d.Seconds())); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 60*60:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 48*60*60:
		return fmt.Sprintf("%dh%02dm", s/60/60, s/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", s/60/60/24, s/60/60%24)
	}
}

// Count returns a number with its noun: 1 host, 2 hosts.
func Count(n int, one, more string) string {
	if n != 1 {
		one = more
	}
	return fmt.Sprintf("%d %s", n, one)
}

// Milliseconds is Duration for a number of milliseconds.
func Milliseconds(ms float64) string { return Duration(time.Duration(ms * float64(time.Millisecond))) }

// bars are the eight heights of a sparkline.
var bars = []rune("▁▂▃▄▅▆▇█")

// Sparkline returns a bar for each value, the highest of them as high as can be.
func Sparkline(values []float64) string {
	highest := 0.0
	for _, value := range values {
		highest = max(highest, value)
	}
	line := make([]rune, len(values))
	for i, value := range values {
		if highest > 0 && value > 0 {
			line[i] = bars[min(int(value/highest*float64(len(bars))), len(bars)-1)]
		} else {
			line[i] = bars[0]
		}
	}
	return string(line)
}
