package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"shardclient/runner/plain"
	"shardclient/runner/screen"
)

// Watch shows a status, once or again and again.
type Watch struct {
	Read     func() (*Status, error)
	Out      func() screen.Out // asked each time: a terminal may have another size by then
	JSON     bool
	Interval time.Duration
	After    func(time.Duration) <-chan time.Time // nil: time.After
	Redact   func(error) string
	Say      func(text string) // what is no status, where that is JSON
}

// Once shows the status.
func (w *Watch) Once() error {
	status, err := w.Read()
	if err != nil {
		return err
	}
	return w.show(status, w.Out())
}

// Run shows the status until ctx ends, which is how it is meant to end. A database that is away for
// a while is told, and asked again.
func (w *Watch) Run(ctx context.Context) error {
	after := w.After
	if after == nil {
		after = time.After
	}
	for between := ""; ; between = "\n" {
		out := w.Out()
		var text strings.Builder
		page := out
		page.Writer = &text
		status, err := w.Read()
		if err == nil {
			err = w.show(status, page)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			told := "no answer: " + plain.Line(w.Redact(err), maxError)
			if w.JSON {
				w.Say(told)
			} else {
				text.WriteString(out.Paint(screen.Red, out.Wrap(told, 0)) + "\n")
			}
		}
		switch {
		case w.JSON:
			_, err = fmt.Fprint(out, text.String())
		case out.Width > 0:
			err = out.Picture(text.String())
		default:
			_, err = fmt.Fprint(out, between+text.String())
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-after(w.Interval):
		}
	}
}

func (w *Watch) show(status *Status, out screen.Out) error {
	if w.JSON {
		return json.NewEncoder(out).Encode(status)
	}
	return status.Show(out)
}
