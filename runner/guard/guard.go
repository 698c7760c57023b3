// Package guard makes an error out of a panic: a server, a proxy or a master may send anything, and
// no failed beat is an exit (docs/promises.md, "full disk"). It knows nobody of ours.
package guard

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/go-json-experiment/json"
)

// Error is a fault of shard-client itself: something that it cannot encode, or a panic. Nothing
// that an operator or the master does wrong ends here.
type Error struct {
	Err   error
	Stack string // of a panic; "" for any other fault
}

func (e *Error) Error() string {
	return e.Err.Error() + "; this is a fault of shard-client itself, please report it"
}

func (e *Error) Unwrap() error { return e.Err }

// JSON encodes what we made ourselves, for a statement that takes JSON. What fails is an *Error. It
// is the same JSON as on the wire: encoding/json does not know how an objects.Maybe is written.
func JSON(what any) ([]byte, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("encode rows: %w", err)}
	}
	return body, nil
}

// Run runs a step and returns its error; when the step panics, an *Error with the stack.
func Run(step func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &Error{Err: fmt.Errorf("panic: %v", cause), Stack: stack()}
		}
	}()
	return step()
}

// maxStack limits how much of a stack is kept, in bytes: a log line holds no more.
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
