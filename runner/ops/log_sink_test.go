package ops

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a pipe whose reader takes nothing until it is let go, and whose reader is gone while
// there is an error.
type stuck struct {
	bytes.Buffer
	mu   sync.Mutex
	free chan struct{}
	err  error
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.Buffer.Write(p)
}

func (s *stuck) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// text returns what arrived, once the sink rests.
func (s *stuck) text() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.String()
}

// patientLogger logs to a writer that may be stuck.
func patientLogger(t *testing.T, w *stuck, dir string) (*slog.Logger, *Output) {
	t.Helper()
	log, out, err := NewLogger(LogOptions{Writer: w, Dir: dir, Now: noon, Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return log, out
}

// A reader that is stuck holds nobody who logs. What does not fit is lost, and told in the place
// where it is missing.
func TestStuckReaderCostsLinesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		log, out := patientLogger(t, w, "")
		began := time.Now()
		log.Info("first")
		synctest.Wait() // it is in the writer's hands
		for n := range maxWaiting + 7 {
			log.Info("line", "n", n)
		}
		if out.Lost() != 7 || time.Since(began) != 0 {
			t.Errorf("%d lines lost after %s, want 7 at once", out.Lost(), time.Since(began))
		}
		close(w.free)
		text := w.text()
		log.Info("last")
		lines := strings.Split(strings.TrimSpace(w.text()), "\n")
		told := `level=WARN msg="log lines were lost" lines=7 hint=`
		if len(lines) != 1+maxWaiting+1+1 || !strings.Contains(lines[len(lines)-2], told) || !strings.Contains(text, told) ||
			!strings.Contains(lines[len(lines)-3], fmt.Sprintf("n=%d", maxWaiting-1)) || !strings.Contains(lines[len(lines)-1], "msg=last") {
			t.Errorf("%d lines, the last %q", len(lines), lines[max(0, len(lines)-3):])
		}
		if err := out.Close(); err != nil || out.Lost() != 7 {
			t.Errorf("%v, %d lost", err, out.Lost())
		}
	})
}

// Long lines fill it sooner.
func TestWaitingLinesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		log, out := patientLogger(t, w, "")
		for range maxWaiting {
			log.Info(strings.Repeat("x", 2000))
		}
		if waiting := out.writer.bytes; waiting > maxWaitingBytes || out.Lost() == 0 {
			t.Errorf("%d bytes wait, %d lines lost", waiting, out.Lost())
		}
		close(w.free)
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A reader that is gone, or a disk that is full, costs the lines of that time.
func TestFailingWriterCostsLinesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{}), err: syscall.EPIPE}
		close(w.free)
		log, out := patientLogger(t, w, "")
		for range 3 {
			log.Info("lost")
			synctest.Wait()
		}
		if out.Lost() != 3 {
			t.Errorf("%d lines lost, want 3", out.Lost())
		}
		w.fails(nil)
		log.Info("again")
		if text := w.text(); !strings.Contains(strings.Split(text, "\n")[0], "lines=3") || !strings.Contains(text, "msg=again") {
			t.Errorf("%q", text)
		}
		if err := out.Close(); err != nil || out.Lost() != 3 {
			t.Errorf("%v, %d lost", err, out.Lost())
		}
	})
}

// The file gets its lines while stderr is stuck, and the end waits for stderr no longer than it
// may.
func TestStuckReaderStopsNeitherFileNorEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := &stuck{free: make(chan struct{})}
		log, out := patientLogger(t, w, dir)
		log.Info("one")
		log.Info("two")
		began := time.Now()
		if err := out.Close(); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s, want 2 s", err, time.Since(began))
		}
		if text := contents(t, dir+"/"+startName); !strings.Contains(text, "msg=two") {
			t.Errorf("the file says %q", text)
		}
		log.Info("after the end")
		close(w.free) // the goroutine ends
		if text := w.text(); strings.Contains(text, "after the end") || !strings.Contains(text, "msg=two") {
			t.Errorf("stderr: %q", text)
		}
	})
}

// At a normal end everything is there.
func TestCloseWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		log, out := patientLogger(t, w, "")
		for n := range 1000 {
			log.Info("line", "n", n)
		}
		time.AfterFunc(time.Second, func() { close(w.free) })
		if err := errors.Join(out.Close(), out.Close()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.text(), "msg=line"); n != 1000 || out.Lost() != 0 {
			t.Errorf("%d lines, %d lost", n, out.Lost())
		}
	})
}
