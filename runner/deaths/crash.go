package deaths

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// running is a file that is locked and begins with a line of ours for as long as the process runs.
// The runtime writes a crash into it, of whatever goroutine. If the line is there when nobody has
// locked the file, its process has not said goodbye.
type running struct{ file *os.File }

// end is how the process before ended.
type end struct {
	cause, text string
	seen        time.Time // when it began, or crashed
}

// begin makes the file, and says how the process before ended, if not as it should. While another
// process has it, which then serves the shard, there is none for this one.
func begin(path string) (*running, *end, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, private)
	if err != nil {
		return nil, nil, fmt.Errorf("begin a file for crashes: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil, nil
		}
		return nil, nil, fmt.Errorf("lock %s: %w", path, err)
	}
	before, err := readEnd(file)
	if err == nil {
		_, err = file.WriteAt([]byte(started), 0)
	}
	if err == nil {
		err = debug.SetCrashOutput(file, debug.CrashOptions{})
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("begin %s: %w", path, err)
	}
	return &running{file}, before, nil
}

// started is the first line of the file.
const started = "shard-client runs\n"

// readEnd reads what is left of the process before, empties the file, and leaves its offset behind
// the first line: the runtime writes where that is.
func readEnd(file *os.File) (*end, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file") // a pipe would hold us for ever
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxText))
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := file.Seek(int64(len(started)), io.SeekStart); err != nil {
		return nil, err
	}
	crash, hasBegun := strings.CutPrefix(string(text), started)
	switch {
	case !hasBegun:
		return nil, nil // it is new
	case crash == "":
		return &end{Killed, "it left no word: it was killed, or the machine went down", info.ModTime()}, nil
	case strings.HasPrefix(crash, "panic: "):
		return &end{Panic, crash, info.ModTime()}, nil
	}
	return &end{Fatal, crash, info.ModTime()}, nil
}

// end empties the file. It stays: another process may have opened it and wait for the lock.
func (r *running) end() {
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	_ = r.file.Truncate(0)
	_ = r.file.Close()
}
