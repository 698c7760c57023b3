package ops

import (
	"io"
	"sync"
	"time"
)

// A sink whose writer is stuck keeps so many lines, and so many bytes of them.
const (
	maxWaiting      = 5000
	maxWaitingBytes = 1 << 20
)

// sink gives lines to a writer that may fail or be stuck: a pipe whose reader is gone or asleep, a
// disk that is full or hangs. Losing the log costs lines, and never a beat. Lines that are lost are
// counted, and told in their place once the writer works again.
//
// A sink that was not started writes each line before put returns.
type sink struct {
	writer io.Writer
	notice func(lost int64) []byte // returns the line that tells of lost ones
	failed func(error)             // hears of the first write that fails, and of the first after a success

	mu      sync.Mutex
	changed sync.Cond
	waiting [][]byte
	bytes   int   // of waiting
	lost    int64 // lines that were lost and are not told yet
	allLost int64
	failing bool          // the last write failed
	ended   bool          // nothing is taken any more
	done    chan struct{} // closed when the goroutine has ended; nil: there is none
}

func newSink(w io.Writer, notice func(int64) []byte, failed func(error)) *sink {
	s := &sink{writer: w, notice: notice, failed: failed}
	s.changed.L = &s.mu
	return s
}

// start lets a goroutine do the writing, until end.
func (s *sink) start() {
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		for {
			line, lost, ok := s.next()
			if !ok {
				return
			}
			err := s.write(line, lost)
			s.mu.Lock()
			s.settle(line, lost, err)
			s.mu.Unlock()
		}
	}()
}

// put takes a line. Once the sink is started, it waits for nobody.
func (s *sink) put(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil && !s.ended {
		lost := s.lost
		s.lost = 0
		s.settle(line, lost, s.write(line, lost))
		return
	}
	full := len(s.waiting) >= maxWaiting || s.bytes+len(line) > maxWaitingBytes
	// Lines that are lost while the writer is stuck come after those that wait. So nothing else may
	// wait behind those until the loss is told.
	if s.ended || full || s.lost > 0 && !s.failing && len(s.waiting) > 0 {
		s.lose(line)
		return
	}
	s.waiting = append(s.waiting, line)
	s.bytes += len(line)
	s.changed.Signal()
}

// next waits for what is to be written: a line, or the number of lines that were lost, or both. It
// reports false when there is nothing any more.
func (s *sink) next() (line []byte, lost int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && (s.lost == 0 || s.failing) {
		if s.ended {
			return nil, 0, false
		}
		s.changed.Wait()
	}
	if len(s.waiting) == 0 || s.failing {
		lost, s.lost = s.lost, 0
	}
	if len(s.waiting) > 0 {
		line, s.waiting = s.waiting[0], s.waiting[1:]
		s.bytes -= len(line)
	}
	return line, lost, true
}

// write writes the notice of lost lines, and then the line; an empty one too, by which a log file
// notices that it was moved.
func (s *sink) write(line []byte, lost int64) error {
	if lost > 0 {
		if _, err := s.writer.Write(s.notice(lost)); err != nil {
			return err
		}
	}
	if line == nil {
		return nil
	}
	_, err := s.writer.Write(line)
	return err
}

// settle notes how a write went.
func (s *sink) settle(line []byte, lost int64, err error) {
	if err != nil {
		s.lost += lost
		s.lose(line)
		if !s.failing && s.failed != nil {
			s.failed(err)
		}
	}
	s.failing = err != nil
}

func (s *sink) lose(line []byte) {
	if len(line) > 0 {
		s.lost++
		s.allLost++
	}
}

// losses returns how many lines were lost since the start.
func (s *sink) losses() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allLost
}

// end waits until everything is written, but no longer than patience, and reports whether it was.
func (s *sink) end(patience time.Duration) bool {
	s.mu.Lock()
	s.ended = true
	s.changed.Signal()
	s.mu.Unlock()
	if s.done == nil {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-timer.C:
		return false
	}
}
