package apply

import "shardclient/runner/afe"

// Objects are read from the text of the response when they are stored, a chunk at a time, so that a
// response of any size takes little memory (P9). They are read once before that, to sort them out.
// Those of a small section are kept instead, which saves reading them twice.
const (
	maxChunkBytes = 4 << 20 // of text in a chunk of more than one object
	maxKept       = 2 << 20 // of text of a section whose objects are kept
)

// ref names a good object of a section.
type ref struct {
	id    int64
	index int
}

// source is where the objects of a kind come from.
type source[T any] struct {
	kind    string
	section *afe.Section[T]
	kept    map[int]*T // nil: the section is too large
}

func sourceOf[T any](section *afe.Section[T], kind string) *source[T] {
	s, size := &source[T]{kind: kind, section: section}, int64(0)
	for i := range section.Len() {
		size += section.Place(i).Size()
	}
	if size <= maxKept {
		s.kept = make(map[int]*T, section.Len())
	}
	return s
}

// keep keeps an object that was read, if it may.
func (s *source[T]) keep(r ref, object *T) {
	if s.kept != nil {
		s.kept[r.index] = object
	}
}

// read returns an object that was read before.
func (s *source[T]) read(r ref) (*T, error) {
	if object := s.kept[r.index]; object != nil {
		return object, nil
	}
	received, err := s.section.Read(r.index)
	return &received.Object, err
}

// bad returns an object as it is set aside.
func (s *source[T]) bad(r ref) badObject {
	return badObject{Kind: s.kind, ID: r.id, place: s.section.Place(r.index)}
}

// unit is an object that is stored whole or set aside alone.
type unit[T any] struct {
	object *T
	aside  badObject // its kind, id and place, in case it is set aside
	ref    ref
}

// chunk reads the first objects of a list, no more than so many and than maxChunkBytes.
func (s *source[T]) chunk(refs []ref, most int) (units []unit[T], err error) {
	bytes := int64(0)
	for _, r := range refs[:min(most, len(refs))] {
		bytes += s.section.Place(r.index).Size()
		if bytes > maxChunkBytes && len(units) > 0 {
			break
		}
		object, err := s.read(r)
		if err != nil {
			return nil, err
		}
		units = append(units, unit[T]{object, s.bad(r), r})
	}
	return units, nil
}
