package apply

import (
	"iter"
	"sync"

	"shardclient/runner/afe"
	"shardclient/runner/guard"
	"shardclient/runner/pg"
)

// Objects are read from the text of the response when they are stored, a chunk at a time, so that a
// response of any size takes little memory (P9). They are read once before that, to sort them out.
// Those of a small section are kept instead, which saves reading them twice.
const (
	maxChunkBytes = 1 << 20 // of text in a chunk of more than one object
	maxKept       = 2 << 20 // of text of a section whose objects are kept
)

// ref names a good object of a section.
type ref struct {
	id    int64
	index int

	turn  int  // among the objects that were refused in an earlier beat, from 1; 0: it was not
	alone bool // it took too long then
}

// apart reports whether an object shares no chunk with the one before it. What was refused in an
// earlier beat will be again, most likely, and costs its chunk more the more there is in it. What took
// too long would let half of its chunk take too long again and again.
func (r ref) apart(before ref) bool { return r.alone || before.alone || r.turn > 0 && before.turn == 0 }

// source is where the objects of a kind come from.
type source[T any] struct {
	kind    string
	section *afe.Section[T]
	readers sync.Pool       // of *afe.Section[T]: a section is not safe for concurrent use
	small   bool            // its objects are kept
	kept    map[int]unit[T] // once all have been read

	settings []pg.Ask // for the transactions in which they are compared and stored
}

func sourceOf[T any](section *afe.Section[T], kind string) *source[T] {
	s, size := &source[T]{kind: kind, section: section}, int64(0)
	s.readers.New = func() any { return section.Fork() }
	for i := range section.Len() {
		size += section.Place(i).Size()
	}
	s.small = size <= maxKept
	return s
}

// all names all objects of the section; the ids are not known yet.
func (s *source[T]) all() []ref {
	refs := make([]ref, s.section.Len())
	for i := range refs {
		refs[i].index = i
	}
	return refs
}

// bad returns an object as it is set aside.
func (s *source[T]) bad(r ref) badObject {
	return badObject{Kind: s.kind, ID: r.id, place: s.section.Place(r.index)}
}

// unit is an object that is stored whole or set aside alone.
type unit[T any] struct {
	object *T
	err    error     // why it cannot be used
	aside  badObject // its kind, id and place, in case it is set aside
	ref    ref
}

// cut cuts a list into pieces of at most so many objects and maxChunkBytes.
func (s *source[T]) cut(refs []ref, most int) iter.Seq[[]ref] {
	return func(yield func([]ref) bool) {
		from, bytes := 0, int64(0)
		for i, r := range refs {
			size := s.section.Place(r.index).Size()
			if i > from && (i-from == most || bytes+size > maxChunkBytes || r.apart(refs[i-1])) {
				if !yield(refs[from:i]) {
					return
				}
				from, bytes = i, 0
			}
			bytes += size
		}
		if len(refs) > from {
			yield(refs[from:])
		}
	}
}

// chunks reads objects in the order of a list, in chunks of at most so many objects and
// maxChunkBytes. While one chunk is stored, the next two are read.
func (s *source[T]) chunks(refs []ref, most int) iter.Seq2[[]unit[T], error] {
	return func(yield func([]unit[T], error) bool) {
		type chunk struct {
			units []unit[T]
			err   error
		}
		queue, stop := make(chan chan chunk, 1), make(chan struct{})
		var reading sync.WaitGroup
		defer reading.Wait() // nobody reads from a response that is closed
		defer close(stop)
		reading.Go(func() {
			defer close(queue)
			for piece := range s.cut(refs, most) {
				next := make(chan chunk, 1)
				select {
				case queue <- next:
				case <-stop:
					return
				}
				reading.Go(func() {
					units, err := s.read(piece)
					next <- chunk{units, err}
				})
			}
		})
		for next := range queue {
			if c := <-next; !yield(c.units, c.err) {
				return
			}
		}
	}
}

// read reads some objects.
func (s *source[T]) read(refs []ref) (units []unit[T], err error) {
	err = guard.Run(func() error {
		section := s.readers.Get().(*afe.Section[T])
		defer s.readers.Put(section)
		for _, r := range refs {
			u, kept := s.kept[r.index]
			if !kept {
				received, err := section.Read(r.index)
				if err != nil {
					return err
				}
				r.id = received.ID
				u = unit[T]{object: &received.Object, err: received.Err, aside: s.bad(r)}
			}
			u.ref = r
			units = append(units, u)
		}
		return nil
	})
	return units, err
}
