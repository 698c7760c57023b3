package ops

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
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
	// Redact takes secrets out of every message and value, and RedactError out of every error,
	// before these are cut: half a secret would not be recognised. nil: there are no secrets.
	Redact      func(string) string
	RedactError func(error) string
	// Patience is how long Close waits for lines that could not be written yet. With 0 each line is
	// written before the call that logs it returns, and a Writer or a disk that is stuck holds
	// whoever logs.
	Patience time.Duration
	// Now gives the time of lines and of the file's name; nil: time.Now.
	Now func() time.Time
}

// NewLogger returns a logger whose every line is shorter than 4096 bytes, whatever is logged, and
// where its lines go.
//
// It fails when the format is unknown, or when no file can be made in the directory; the error then
// names the directory and what to do. When the file, or the Writer, cannot be written later, only
// that one lacks lines. Both say how many, once they can be written again, and the Writer says that
// the file lacks lines.
func NewLogger(o LogOptions) (*slog.Logger, *Output, error) {
	if o.Format == "" {
		o.Format = "text"
	}
	if o.Format != "text" && o.Format != "json" {
		return nil, nil, fmt.Errorf("log format %q is unknown: use text or json", o.Format)
	}
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	out := &Output{format: o.Format, redact: o.Redact, redactError: o.RedactError, now: o.Now, patience: o.Patience}
	var file *logFile
	if o.Dir != "" {
		var err error
		if file, err = openLogFile(o.Dir, out.time(time.Now())); err != nil {
			return nil, nil, err
		}
	}
	out.open(o.Writer, file)
	log := slog.New(newLineHandler(out, o.Level))
	if file == nil {
		return log, out, nil
	}
	// Not fatal: files of another user in the way must not keep a shard from beating.
	if err := pruneLogFiles(o.Dir, file.path); err != nil {
		log.Warn("old log files cannot be removed", "log_dir", o.Dir, "error", err,
			"hint", "remove them before the disk is full")
	}
	return log, out, nil
}

// Output is where the lines of a logger go: to its Writer, and to its log file if it has one.
// Neither waits for the other.
type Output struct {
	format      string
	redact      func(string) string // may be nil, as the next two
	redactError func(error) string
	now         func() time.Time
	patience    time.Duration

	writer *sink
	file   *sink // nil without a directory
	closer io.Closer
}

func (o *Output) open(writer io.Writer, file *logFile) {
	o.writer = newSink(writer, o.notice, nil)
	if file != nil {
		o.file, o.closer = newSink(file, o.notice, o.fileFails), file
	}
	if o.patience > 0 {
		for _, s := range o.sinks() {
			s.start()
		}
	}
}

func (o *Output) sinks() []*sink {
	if o.file == nil {
		return []*sink{o.writer}
	}
	return []*sink{o.writer, o.file}
}

// put gives a line to both.
func (o *Output) put(line []byte) {
	for _, s := range o.sinks() {
		s.put(line)
	}
}

// Reopen lets the log file be what its name says, now and not only with the next line: after it was
// moved, the next lines go to a new one.
func (o *Output) Reopen() {
	if o.file != nil {
		o.file.put([]byte{})
	}
}

// Lost returns how many lines were lost since the start, on the Writer and in the file together.
func (o *Output) Lost() (lines int64) {
	for _, s := range o.sinks() {
		lines += s.losses()
	}
	return lines
}

// Close writes what waits, for as long as the options say, and closes the log file, if there is
// one. Without a Patience later lines still reach the Writer. It is safe to call more than once.
func (o *Output) Close() error {
	if o.patience > 0 {
		o.writer.end(o.patience)
	}
	if o.file == nil || !o.file.end(o.patience) {
		return nil // the process must not wait for a disk that hangs
	}
	if err := o.closer.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close log file: %w", err)
	}
	return nil
}

// notice returns the line that tells of lost ones.
func (o *Output) notice(lines int64) []byte {
	return o.line(slog.LevelWarn, "log lines were lost", slog.Int64("lines", lines),
		slog.String("hint", "what reads or stores the log was gone, full or stuck"))
}

// fileFails tells on the Writer that the log file cannot be written, until it works again.
func (o *Output) fileFails(cause error) {
	o.writer.put(o.line(slog.LevelError, "log file cannot be written", slog.Any("error", cause),
		slog.String("hint", "lines are missing in the file, not here")))
}

// line returns a line that the log writes about itself.
func (o *Output) line(level slog.Level, message string, attributes ...slog.Attr) []byte {
	r := slog.NewRecord(o.time(time.Now()), level, message, 0)
	r.AddAttrs(attributes...)
	line, err := o.render(nil, r)
	if err != nil {
		return nil // these attributes can be rendered
	}
	return line
}

func (o *Output) time(t time.Time) time.Time {
	if o.now != nil {
		return o.now()
	}
	return t
}
