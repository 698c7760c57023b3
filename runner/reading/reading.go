// Package reading reads the objects of an answer from its text, some at a time and before they are
// asked for, so that an answer of any size takes little memory (P9). It does not know what is done
// with them; package apply does.
package reading

import (
	"iter"
	"runtime"
	"sync"

	"shardclient/runner/afe"
	"shardclient/runner/guard"
)

// What is read once to sort it out, and again to store it, is kept in between if it is little.
const (
	MaxKept       = 2 << 20   // of text of objects that are kept
	maxChunkBytes = 3 << 20   // of text in a chunk of more than one object
	PieceObjects  = 256       // that are read at once
	pieceBytes    = 256 << 10 // of text that are read at once
	piecesAhead   = maxChunkBytes / pieceBytes
)

// Ref names an object of a section.
type Ref struct {
	ID    int64
	Index int // its place among the others

	Turn  int  // among the objects that were refused in an earlier beat, from 1; 0: it was not
	Alone bool // it took too long then
}

// apart reports whether an object shares no chunk with the one before it. What was refused in an
// earlier beat will be again, most likely, and costs its chunk more the more there is in it. What
// took too long would let half of its chunk take too long again and again.
func (r Ref) apart(before Ref) bool { return r.Alone || before.Alone || r.Turn > 0 && before.Turn == 0 }

// Source is where the objects of a kind come from.
type Source[T any] struct {
	Kind    string
	section *afe.Section[T]
	readers sync.Pool       // of *afe.Section[T]: a section is not safe for concurrent use
	kept    map[int]Unit[T] // those that are kept
}

// New returns the source of objects of a kind.
func New[T any](section *afe.Section[T], kind string) *Source[T] {
	s := &Source[T]{Kind: kind, section: section}
	s.readers.New = func() any { return section.Fork() }
	return s
}

// All names all objects of the section; the ids are not known yet.
func (s *Source[T]) All() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for i := 0; i < s.Len() && yield(Ref{Index: i}); i++ {
		}
	}
}

// Unit is an object that is stored whole or set aside alone.
type Unit[T any] struct {
	Ref
	Object *T
	Err    error // why it cannot be used
	Kind   string
	Place  afe.Place // in the response
}

// piece is what is read at once.
type piece[T any] struct {
	first Ref
	units []Unit[T]
	bytes int64 // of text
	err   error // of the disk that the response is kept on
}

// cut cuts a list into pieces of at most so many objects and pieceBytes.
func (s *Source[T]) cut(refs iter.Seq[Ref], most int) iter.Seq2[[]Ref, int64] {
	return func(yield func([]Ref, int64) bool) {
		var piece []Ref
		bytes := int64(0)
		for r := range refs {
			size := s.Place(r.Index).Size()
			if n := len(piece); n > 0 && (n == most || bytes+size > pieceBytes || r.apart(piece[n-1])) {
				if !yield(piece, bytes) {
					return
				}
				piece, bytes = nil, 0
			}
			piece, bytes = append(piece, r), bytes+size
		}
		if len(piece) > 0 {
			yield(piece, bytes)
		}
	}
}

// size returns how much text some objects have.
func (s *Source[T]) size(refs iter.Seq[Ref]) (size int64) {
	for r := range refs {
		size += s.Place(r.Index).Size()
	}
	return size
}

// Reading reads objects in the order of a list, before they are asked for.
type Reading[T any] struct {
	Small bool // the next chunks are a quarter as large
	most  int  // objects in a chunk
	queue chan piece[T]
	end   chan struct{}
	done  sync.WaitGroup
	next  *piece[T] // read, and too much for the chunk before
}

// Start begins to read. Whoever calls it calls Stop.
func (s *Source[T]) Start(refs iter.Seq[Ref], most int) *Reading[T] {
	r := &Reading[T]{Small: s.size(refs) > maxChunkBytes, most: min(most, s.Len()), queue: make(chan piece[T], piecesAhead), end: make(chan struct{})}
	r.done.Go(func() {
		defer close(r.queue)
		for refs, bytes := range s.cut(refs, min(most, PieceObjects)) {
			units, err := s.Read(refs)
			select {
			case r.queue <- piece[T]{refs[0], units, bytes, err}:
			case <-r.end:
				return
			}
		}
	})
	return r
}

// Stop ends the reading: nobody reads from a response that is closed.
func (r *Reading[T]) Stop() {
	close(r.end)
	r.done.Wait()
}

// Chunk returns the next objects, at most so many and maxChunkBytes; none: there are no more.
func (r *Reading[T]) Chunk() (units []Unit[T], err error) {
	bytes, maxBytes := int64(0), int64(maxChunkBytes)
	if r.Small {
		maxBytes /= 4
	}
	units = make([]Unit[T], 0, r.most)
	for {
		if r.next == nil {
			p, more := <-r.queue
			if !more {
				return units, nil
			}
			r.next = &p
		}
		p := r.next
		if n := len(units); n > 0 && (n+len(p.units) > r.most || bytes+p.bytes > maxBytes || p.first.apart(units[n-1].Ref)) {
			return units, nil
		}
		if r.next = nil; p.err != nil {
			return nil, p.err
		}
		units, bytes = append(units, p.units...), bytes+p.bytes
	}
}

// Chunks reads objects in the order of a list, in chunks of at most so many objects and
// maxChunkBytes. While one chunk is stored, the next is read.
func (s *Source[T]) Chunks(refs iter.Seq[Ref], most int) iter.Seq2[[]Unit[T], error] {
	return func(yield func([]Unit[T], error) bool) {
		r := s.Start(refs, most)
		defer r.Stop()
		for {
			if units, err := r.Chunk(); len(units) == 0 && err == nil || !yield(units, err) || err != nil {
				return
			}
		}
	}
}

// GiveWay lets whoever stores what was read before have the processor, now and then: PostgreSQL
// waits for it, and nobody waits for what is made of later objects. Go itself would let it wait for
// 10 ms. i is the place of the object that is next.
func GiveWay(i int) {
	if i%4 == 0 { // some 20 microseconds
		runtime.Gosched()
	}
}

// Read reads some objects.
func (s *Source[T]) Read(refs []Ref) (units []Unit[T], err error) {
	err = guard.Run(func() error {
		section := s.readers.Get().(*afe.Section[T])
		defer s.readers.Put(section)
		units = make([]Unit[T], 0, len(refs))
		for i, r := range refs {
			GiveWay(i)
			u, kept := s.kept[r.Index]
			if !kept {
				received, err := section.Read(r.Index)
				if err != nil {
					return err
				}
				r.ID = received.ID
				u = Unit[T]{r, &received.Object, received.Err, s.Kind, s.section.Place(r.Index)}
			}
			u.Turn, u.Alone = r.Turn, r.Alone
			units = append(units, u)
		}
		return nil
	})
	return units, err
}

// Len returns how many objects there are, good and bad.
func (s *Source[T]) Len() int { return s.section.Len() }

// Place says where an object stands.
func (s *Source[T]) Place(i int) afe.Place { return s.section.Place(i) }

// Keep keeps objects that are read again later, at most MaxKept of them. Nothing may be read
// meanwhile.
func (s *Source[T]) Keep(units []Unit[T]) {
	s.kept = make(map[int]Unit[T], len(units))
	for _, u := range units {
		s.kept[u.Index] = u
	}
}
