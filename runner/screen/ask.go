package screen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Is reports whether somebody sits at a stream.
func Is(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ErrNobody says that a question has no terminal to be asked on.
var ErrNobody = errors.New("there is no terminal to ask on")

// Ask asks a question and reports whether the answer is yes. An end without an answer is a no, and
// so is the end of ctx.
func Ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if !Is(in) || !Is(out) {
		return false, ErrNobody
	}
	fmt.Fprint(out, question+" [y/N] ")
	typed := make(chan string, 1)
	go func() { // a terminal cannot be left off reading: the process ends soon
		answer, _ := bufio.NewReader(in).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, nil
	case answer := <-typed:
		return ctx.Err() == nil && (answer == "y" || answer == "yes"), nil
	}
}

const (
	every      = time.Second // how often the time on a line of progress is renewed
	widestStep = 60          // characters of what a long work is at
)

// Progress shows on a terminal what a long work is at, and for how long it has been, on one line;
// end clears that. Elsewhere, and on a dumb terminal, neither prints anything.
func Progress(out io.Writer) (at func(step string), end func()) { return progress(out, true) }

// Patience is Progress for what is seldom long: nothing is shown in its first second.
func Patience(out io.Writer, step string) (end func()) {
	at, end := progress(out, false)
	at(step)
	return end
}

// ClearLine takes a line of progress away, for one that is to stay.
const ClearLine = "\r\x1b[K"

func progress(out io.Writer, shown bool) (at func(step string), end func()) {
	if !Is(out) || dumb() {
		return func(string) {}, func() {}
	}
	began, steps, ended := time.Now(), make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for step, open := "", true; open; {
			select {
			case step, open = <-steps:
			case <-tick.C:
				shown = true
			}
			if step, _, _ = strings.Cut(step, "\n"); len([]rune(step)) > widestStep {
				step = string([]rune(step)[:widestStep-1]) + "…"
			}
			if shown && open {
				fmt.Fprintf(out, ClearLine+"%s, %d s", step, int(time.Since(began).Seconds()))
			} else if shown {
				fmt.Fprint(out, ClearLine)
			}
		}
	}()
	return func(step string) { steps <- step }, sync.OnceFunc(func() { close(steps); <-ended })
}
