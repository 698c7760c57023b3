package ops

import (
	"bytes"
	"context"
	"log/slog"
)

// maxLine is the length of the longest line in bytes, newline included. Below 4 KB a pipe takes a
// line in one piece (PIPE_BUF), and a syslog daemon does not cut it.
const maxLine = 4095

// cuts are the lengths in bytes to which strings are cut, one after the other, until the line fits.
// The first leaves any sensible text alone; with the last some 50 attributes fit.
var cuts = []int{2048, 384, 96, 24}

// lastCut is the length of the message when all attributes are left out. A control character takes
// 6 bytes in JSON.
const lastCut = 512

// lineHandler renders a record into memory, and again with shorter strings while the line is too
// long. It keeps attributes and groups as they were given, because slog's handlers format them
// once, for one length of strings.
type lineHandler struct {
	out   *Output
	level slog.Leveler
	with  []func(slog.Handler) slog.Handler
}

func newLineHandler(out *Output, level slog.Leveler) *lineHandler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &lineHandler{out: out, level: level}
}

// Enabled implements slog.Handler.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler. It renders without a lock: a LogValue that logs would otherwise
// wait for itself.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	if !r.Time.IsZero() { // a record without a time is logged without one
		r.Time = h.out.time(r.Time)
	}
	line, err := h.out.render(h.with, r)
	if err != nil {
		return err
	}
	h.out.put(line)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.wrapped(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	return h.wrapped(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *lineHandler) wrapped(f func(slog.Handler) slog.Handler) slog.Handler {
	clone := *h
	// Clipped: two loggers derived from one must not write into the same array.
	clone.with = append(h.with[:len(h.with):len(h.with)], f)
	return &clone
}

// render returns the record as one line that is not longer than maxLine. When no cut suffices
// (thousands of attributes, groups without end), the attributes are left out, and the line says how
// many there were.
func (o *Output) render(with []func(slog.Handler) slog.Handler, r slog.Record) ([]byte, error) {
	var buf bytes.Buffer
	for _, cut := range cuts {
		buf.Reset()
		h := o.newInner(&buf, cut)
		for _, f := range with {
			h = f(h)
		}
		if err := h.Handle(context.Background(), r); err != nil {
			return nil, err
		}
		if buf.Len() <= maxLine {
			return buf.Bytes(), nil
		}
	}
	last := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	last.AddAttrs(
		slog.String("note", "attributes left out, the line was too long"),
		slog.Int("attributes", r.NumAttrs()),
		slog.Int("line_bytes", buf.Len()),
	)
	buf.Reset()
	err := o.newInner(&buf, lastCut).Handle(context.Background(), last)
	return buf.Bytes(), err
}

// newInner returns slog's own handler for the format, with secrets taken out and strings and keys
// cut. It takes every level, because lineHandler has decided already that the record is logged.
func (o *Output) newInner(buf *bytes.Buffer, cut int) slog.Handler {
	options := &slog.HandlerOptions{Level: slog.Level(-1 << 30), ReplaceAttr: o.shorten(cut)}
	if o.format == "json" {
		return slog.NewJSONHandler(buf, options)
	}
	return slog.NewTextHandler(buf, options)
}
