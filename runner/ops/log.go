package ops

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// LogOptions say where lines go and how they look.
type LogOptions struct {
	// Writer gets every line; nil: stderr.
	Writer io.Writer
	// Format is "text" or "json"; "": text.
	Format string
	// Level is that of the least severe lines that are logged; nil: info.
	Level slog.Leveler
	// Dir is a directory for a file of this start that gets every line too; "": no file.
	Dir string
	// Redact takes secrets out of every message and value, before these are cut: half a secret
	// would not be recognised. nil: there are no secrets.
	Redact func(string) string
	// Now gives the time of lines and of the file's name; nil: time.Now.
	Now func() time.Time
}

// NewLogger returns a logger whose every line is shorter than 4096 bytes, whatever is logged, and
// the closer of its log file. Lines after Close still reach the Writer.
//
// It fails when the format is unknown, or when no file can be made in the directory; the error then
// names the directory and what to do. When the file cannot be written later, only the file lacks
// lines: the Writer still gets each of them, and one that says so.
func NewLogger(o LogOptions) (*slog.Logger, io.Closer, error) {
	if o.Format == "" {
		o.Format = "text"
	}
	if o.Format != "text" && o.Format != "json" {
		return nil, nil, fmt.Errorf("log format %q is unknown: use text or json", o.Format)
	}
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	out := &output{writer: o.Writer, format: o.Format, redact: o.Redact, now: o.Now}
	log := slog.New(newLineHandler(out, o.Level))
	if o.Dir == "" {
		return log, out, nil
	}
	file, err := openLogFile(o.Dir, out.time(time.Now()))
	if err != nil {
		return nil, nil, err
	}
	out.file = file
	// Not fatal: files of another user in the way must not keep a shard from beating.
	if err := pruneLogFiles(o.Dir, file.path); err != nil {
		log.Warn("old log files cannot be removed", "log_dir", o.Dir, "error", err,
			"hint", "remove them before the disk is full")
	}
	return log, out, nil
}

// output writes finished lines to the writer and to the log file, one at a time.
type output struct {
	writer io.Writer
	format string
	redact func(string) string // may be nil
	now    func() time.Time

	mu      sync.Mutex
	file    io.WriteCloser // nil without a directory, and after Close
	failing bool           // the last write to file failed
}

// write gives a line to both. A failing file is reported once, until it works again.
func (o *output) write(line []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.writer.Write(line)
	if o.file == nil {
		return err
	}
	_, fileErr := o.file.Write(line)
	if fileErr != nil && !o.failing {
		o.reportFileError(fileErr)
	}
	o.failing = fileErr != nil
	return err
}

func (o *output) reportFileError(cause error) {
	r := slog.NewRecord(o.time(time.Now()), slog.LevelError, "log file cannot be written", 0)
	r.AddAttrs(slog.Any("error", cause), slog.String("hint", "lines are missing in the file, not here"))
	line, err := o.render(nil, r)
	if err == nil {
		_, _ = o.writer.Write(line)
	}
}

// Close closes the log file, if there is one. It is safe to call more than once.
func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file = nil
	if err := file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close log file: %w", err)
	}
	return nil
}

func (o *output) time(t time.Time) time.Time {
	if o.now != nil {
		return o.now()
	}
	return t
}
