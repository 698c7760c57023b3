// Package deaths remembers how this program ended, and tells of it: what the original mailed as
// uncaught exceptions.
//
// # What is noted
//
// [Open] looks at what the process before has left: a crash, or nothing although it never said
// goodbye. It then has the runtime write a crash of this one to a file, whatever goroutine it is
// in. [Register.Died] notes an end with an error, [Register.Fault] a panic that did not end the
// process. All counts are kept in a file of the state directory, so that they survive a restart; it
// needs no database, because most ends have one that cannot be used.
//
// # Mail
//
// With a [Mailer], each kind is mailed, at most once an hour, also across restarts: what happens
// meanwhile is counted and goes into the next mail (docs/decisions/0068-when-it-dies.md).
//
// The package knows nobody of ours.
package deaths

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The causes of a death, as metrics and mails name them.
const (
	Panic  = "panic"  // in a goroutine that nobody guards
	Fatal  = "fatal"  // an error of the runtime, or a signal that makes it print its stacks
	Killed = "killed" // without a word: SIGKILL, the kernel out of memory, the machine down
	Failed = "failed" // exit code 1
	Held   = "held"   // exit code 3
	Schema = "schema" // exit code 4

	// fault is the kind of a panic that ended a beat only.
	fault = "fault"
)

// Causes returns every cause of a death.
func Causes() []string { return []string{Panic, Fatal, Killed, Failed, Held, Schema} }

// Options say whose ends are noted, and to whom they are told.
type Options struct {
	// Dir is the directory for the files; "": what is noted is forgotten at the end of the process.
	Dir string
	// Shard is the host name of the shard: more than one may be served from this machine.
	Shard string
	// Process names this program in a mail: its version, machine and process id.
	Process string
	// Redact takes secrets out of a text before it is kept or sent.
	Redact func(string) string
	// Mailer sends mails; nil: none are.
	Mailer *Mailer
	Logger *slog.Logger
	// LastWords is what the end of the process waits for its mail; 0: five seconds. What is not
	// sent by then goes out after the next start.
	LastWords time.Duration
}

// Register is where ends are noted. It is safe for concurrent use.
type Register struct {
	o       Options
	file    file
	running *running // nil: nothing would tell of a crash
	found   string   // the cause of death of the process before; "": none

	wake   chan struct{} // something may be to be mailed
	cancel context.CancelFunc
	done   chan struct{}
	close  sync.Once
}

// Open begins the register of a process, and notes how the one before has ended. The error says why
// the directory cannot be used.
func Open(o Options) (*Register, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Register{o: o, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	if o.Dir != "" {
		base := filepath.Join(o.Dir, strings.ReplaceAll(o.Shard, string(filepath.Separator), "_"))
		r.file.path = base + ".deaths.json"
		var before *end
		var err error
		if r.running, before, err = begin(base + ".running"); err != nil {
			cancel()
			return nil, err
		}
		if before != nil {
			r.found = before.cause
			text := o.Redact(before.text)
			o.Logger.Error("the shard-client before this one died", "cause", before.cause, "last_seen", before.seen, "stack", text)
			r.note(before.cause, text, true)
		}
	}
	if err := r.file.update(func(*state) {}); err != nil {
		cancel()
		return nil, err
	}
	go r.mail(ctx)
	return r, nil
}

// Crashed reports whether the process before died of a panic or a fatal error.
func (r *Register) Crashed() bool { return r.found == Panic || r.found == Fatal }

// Count returns how often this shard's client has died of a cause.
func (r *Register) Count(cause string) int64 {
	kept, err := r.file.read()
	if err != nil {
		return 0
	}
	return kept.Deaths[cause]
}

// Died notes that the process is about to end with an error, and waits for the mail about it, but
// no longer than LastWords.
func (r *Register) Died(cause, text string) {
	r.note(cause, r.o.Redact(text), true)
	if r.o.Mailer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(r.o.LastWords, lastWords))
	defer cancel()
	r.cancel()
	select {
	case <-r.done:
		r.mailDue(ctx)
	case <-ctx.Done():
	}
}

// Fault notes a panic that did not end the process.
func (r *Register) Fault(text string) { r.note(fault, r.o.Redact(text), false) }

func (r *Register) note(kind, text string, death bool) {
	now := time.Now()
	err := r.file.update(func(s *state) {
		if death {
			s.Deaths[kind]++
		}
		if r.o.Mailer == nil {
			return
		}
		waiting := s.Mails[kind]
		waiting.Count++
		if waiting.Count == 1 {
			waiting.First = now
		}
		waiting.Last, waiting.Text = now, text[:min(len(text), maxText)]
		s.Mails[kind] = waiting
	})
	if err != nil {
		r.o.Logger.Warn("the end of a process was not noted", "cause", kind, "error", err)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// maxText is how much of a stack is kept and mailed, in bytes.
const maxText = 8 << 10

// Close says that the process ends as it should.
func (r *Register) Close() {
	r.close.Do(func() {
		r.cancel()
		select { // a mail that is out is noted, or it would go out again after the next start
		case <-r.done:
		case <-time.After(cmp.Or(r.o.LastWords, lastWords)):
		}
		if r.running != nil {
			r.running.end()
		}
	})
}

const (
	// mailPause is between two mails about the same kind of end.
	mailPause = time.Hour
	lastWords = 5 * time.Second
	// retryPause is between two tries to reach a mail server that is away.
	retryPause = 5 * time.Minute
)

// mail sends what is due, until ctx ends.
func (r *Register) mail(ctx context.Context) {
	defer close(r.done)
	if r.o.Mailer == nil {
		return
	}
	for {
		timer := time.NewTimer(r.mailDue(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// mailDue sends a mail about each kind whose time has come, and returns when to look again.
func (r *Register) mailDue(ctx context.Context) time.Duration {
	next := mailPause
	kept, err := r.file.read()
	if err != nil {
		return next
	}
	for kind, waiting := range maps.All(kept.Mails) {
		due := mailPause - time.Since(waiting.Sent)
		if waiting.Count == 0 || due > 0 && due <= mailPause { // later than that: the clock was set back
			if waiting.Count > 0 {
				next = min(next, due)
			}
			continue
		}
		if err := r.o.Mailer.send(ctx, r.subject(kind, waiting), r.body(kind, waiting)); err != nil {
			if ctx.Err() == nil {
				r.o.Logger.Warn("a mail about an end was not sent", "cause", kind, "error", err)
			}
			next = min(next, retryPause)
			continue
		}
		err := r.file.update(func(s *state) {
			left := s.Mails[kind]
			left.Count, left.Sent = max(left.Count-waiting.Count, 0), time.Now()
			s.Mails[kind] = left
		})
		if err != nil {
			r.o.Logger.Warn("the end of a process was not noted", "cause", kind, "error", err)
		}
	}
	return next
}

var titles = map[string]string{
	Panic:  "shard-client died of a panic",
	Fatal:  "shard-client died of a fatal error",
	Killed: "shard-client ended without a word",
	Failed: "shard-client ended with an error",
	Held:   "shard-client ended because another one holds the lock",
	Schema: "shard-client ended because the schema is not its own",
	fault:  "a beat of shard-client ended with a panic",
}

func (r *Register) subject(kind string, w waiting) string {
	text := r.o.Shard + ": " + titles[kind]
	if w.Count > 1 {
		text += fmt.Sprintf(", %d times", w.Count)
	}
	return text
}

func (r *Register) body(kind string, w waiting) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Shard:    %s\nWhat:     %s (%s)\nTimes:    %d since the last mail about it\n",
		r.o.Shard, titles[kind], kind, w.Count)
	fmt.Fprintf(&text, "First:    %s\nLast:     %s\nTold by:  %s\n\n%s\n\n",
		w.First.UTC().Format(time.RFC3339), w.Last.UTC().Format(time.RFC3339), r.o.Process, strings.TrimSpace(w.Text))
	fmt.Fprintf(&text, "docs/runbook.md says what to do. The next mail about this kind comes in %.0f minutes at the earliest.\n", mailPause.Minutes())
	return text.String()
}
