package shard

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/go-json-experiment/json"
)

// internalError is a fault of shard-client itself: something that it cannot encode, or a panic.
// Nothing that an operator or the master does wrong ends here. Its class is afe.Internal.
type internalError struct {
	err   error
	stack string // of a panic
}

func (e *internalError) Error() string {
	return e.err.Error() + "; this is a fault of shard-client itself, please report it"
}

func (e *internalError) Unwrap() error { return e.err }

// encode makes the JSON that a statement takes.
func encode(rows any) ([]byte, error) {
	body, err := json.Marshal(rows)
	if err != nil {
		return nil, &internalError{err: fmt.Errorf("encode rows: %w", err)}
	}
	return body, nil
}

// guarded turns a panic into an error. A server, a proxy or a master may send
// anything, and no failed beat is an exit (docs/decisions.md, 2015).
func guarded(step func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &internalError{err: fmt.Errorf("panic: %v", cause), stack: stack()}
		}
	}()
	return step()
}

// maxStack bounds what is shown of a stack, in bytes: a log line holds no more.
const maxStack = 1500

// stack has a line for each function that was running, the innermost first, without
// the runtime's own. It is shorter than Go's own print, because a log line would cut
// that before the line that matters.
func stack() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	var lines []string
	raised := false // the frames before that are our own recovery
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "runtime.") {
			raised = true
		} else if raised {
			directory, file := path.Split(frame.File)
			lines = append(lines, fmt.Sprintf("%s %s/%s:%d", path.Base(frame.Function), path.Base(directory), file, frame.Line))
		}
		if !more {
			break
		}
	}
	text := strings.Join(lines, "\n")
	return text[:min(len(text), maxStack)]
}

// panicked reports whether a step ended by a panic, and logs where.
func (c *Client) panicked(err error) bool {
	var internal *internalError
	if !errors.As(err, &internal) || internal.stack == "" {
		return false
	}
	c.log.Error("a heartbeat broke off by a panic; please report this line", "error", internal.err, "stack", internal.stack)
	return true
}

// letGo gives up the lock and every connection, whatever state they are in. The
// next beat takes the lock anew, or meets who has it.
func (c *Client) letGo(ctx context.Context) {
	err := guarded(func() error {
		c.lock.Release(ctx)
		return nil
	})
	if err != nil {
		c.lock.Abandon()
	}
	c.pool.Reset()
}
