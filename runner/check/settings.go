package check

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"

	"shardclient/runner/config"
)

// Settings returns what is wrong with the settings, an error joined of one for each mistake, and
// what is logged about them at the start of a client.
func Settings(mistakes error, redact func(string) string, warn func(*slog.Logger)) (results []Result) {
	tell := func(r Result) {
		r.Name, r.Text, r.Hint = "settings", redact(r.Text), redact(r.Hint)
		results = append(results, r)
	}
	for _, err := range flatten(mistakes) {
		text, remedy := apart(err, err.Error())
		tell(fail(text, cmp.Or(remedy, "correct it: shard-client help settings lists what may be given")))
	}
	warn(slog.New(&heard{slog.DiscardHandler, tell}))
	if len(results) == 0 {
		tell(ok("all settings can be used"))
	}
	return results
}

// apart takes what an error itself says to do from the end of its text.
func apart(err error, text string) (_, remedy string) {
	if wrong, ok := errors.AsType[*config.SettingError](err); ok {
		remedy = wrong.Hint
	} else if known, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		remedy = known.Hint()
	} else if _, after, found := strings.Cut(text, ": give "); found {
		remedy = "give " + after
	}
	if short, found := strings.CutSuffix(text, ": "+remedy); found {
		return short, remedy
	}
	return text, ""
}

// told reports whether the settings have said this already: one message for one mistake.
func (c *Checks) told(err error) bool {
	for _, result := range c.Settings {
		if result.Level == Fail && strings.Contains(err.Error(), result.Text) {
			return true
		}
	}
	return false
}

// heard makes results of lines of a log.
type heard struct {
	slog.Handler
	tell func(Result)
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }

func (h *heard) Handle(_ context.Context, record slog.Record) error {
	text, hint := record.Message, ""
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "hint" {
			hint = a.Value.String()
		} else {
			text += ": " + a.Value.String()
		}
		return true
	})
	h.tell(warn(text, hint))
	return nil
}

// flatten returns the errors that were joined into one.
func flatten(err error) (all []error) {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range joined.Unwrap() {
			all = append(all, flatten(one)...)
		}
	} else if err != nil {
		all = append(all, err)
	}
	return all
}
