package deaths

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// state is what survives a restart.
type state struct {
	Deaths map[string]int64   `json:"deaths"` // by cause
	Mails  map[string]waiting `json:"mails"`  // by kind
}

// waiting is what of one kind has not been mailed yet.
type waiting struct {
	Sent  time.Time `json:"sent"`  // when the last mail of this kind went out
	Count int       `json:"count"` // since then
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Text  string    `json:"text"` // of the last one
}

// file keeps the state. A second client of the shard, which is refused, writes to the same one.
// Without a path the state is in memory only.
type file struct {
	path string
	mu   sync.Mutex
	kept state
}

// read returns the state; one that nobody can read counts as none, because the counts of the past
// are worth less than a client that starts.
func (f *file) read() (state, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.load()
}

func (f *file) load() (state, error) {
	s := state{}
	if f.path == "" {
		text, err := json.Marshal(f.kept) // a copy, maps included
		if err != nil {
			return s, err
		}
		_ = json.Unmarshal(text, &s)
	} else {
		if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() { // a pipe would hold us for ever
			return s, fmt.Errorf("read the counts of past ends: %s is no file", f.path)
		}
		text, err := os.ReadFile(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s, fmt.Errorf("read the counts of past ends: %w", err)
		}
		if json.Unmarshal(text, &s) != nil {
			s = state{}
		}
	}
	if s.Deaths == nil {
		s.Deaths = map[string]int64{}
	}
	if s.Mails == nil {
		s.Mails = map[string]waiting{}
	}
	return s, nil
}

// update changes the state, in one piece whoever else does.
func (f *file) update(change func(*state)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		s, err := f.load()
		if err == nil {
			change(&s)
			f.kept = s
		}
		return err
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, private)
	if err != nil {
		return fmt.Errorf("note an end: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("note an end: lock %s: %w", lock.Name(), err)
	}
	s, err := f.load()
	if err != nil {
		return err
	}
	change(&s)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", append(text, '\n'), private); err != nil {
		return fmt.Errorf("note an end: %w", err)
	}
	return os.Rename(f.path+".new", f.path)
}

// private: a stack is not for everybody.
const private = 0o600
