package shard

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
)

// guarded turns a panic into an error. A server, a proxy or a master may send anything, and no
// failed beat is an exit (docs/promises.md, "full disk").
func guarded(step func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &internalError{err: fmt.Errorf("panic: %v", cause), stack: stack()}
		}
	}()
	return step()
}

// maxStack limits how much of a stack is logged, in bytes: a log line holds no more.
const maxStack = 1500

// stack returns a line for each function that was running, the innermost first, without those of
// the runtime. It is shorter than what Go prints itself, which a log line would cut off before the
// line that matters.
func stack() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	var lines []string
	raised := false // the frames before runtime.gopanic are this recovery's own
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "runtime.") {
			raised = true
		} else if raised {
			directory, file := path.Split(frame.File)
			place := fmt.Sprintf("%s/%s:%d", path.Base(directory), file, frame.Line)
			lines = append(lines, path.Base(frame.Function)+" "+place)
		}
		if !more {
			break
		}
	}
	text := strings.Join(lines, "\n")
	return text[:min(len(text), maxStack)]
}

// panicked reports whether a step ended with a panic, and logs where.
func (c *Client) panicked(err error) bool {
	var internal *internalError
	if !errors.As(err, &internal) || internal.stack == "" {
		return false
	}
	c.log.Error("a heartbeat ended with a panic; please report this line",
		"error", internal.err, "stack", internal.stack)
	return true
}

// letGo gives up the lock and every connection, whatever state they are in. The next beat takes the
// lock anew, or finds that another client has it.
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
