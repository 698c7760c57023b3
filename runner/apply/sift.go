package apply

import (
	"cmp"
	"context"
	"fmt"

	"shardclient/runner/afe"
	"shardclient/runner/aside"
	"shardclient/runner/reading"
)

// unit is an object of a response.
type unit[T any] = reading.Unit[T]

// asBad returns an object as it is set aside.
func asBad[T any](u unit[T]) aside.Object {
	return aside.Object{Kind: u.Kind, ID: u.ID, Place: u.Place}
}

// judge returns the good ones of the next objects of a section. It calls setAside with those that
// were not understood, and with those that differ from an earlier one with the same id. Identical
// copies are no fault.
func judge[T any](
	a *applier, v *reading.Sieve[T], units []unit[T], setAside func(aside.Object, string, error),
) ([]unit[T], error) {
	return v.Good(units, func(u unit[T], first afe.Place) error {
		if u.Err != nil {
			setAside(asBad(u), aside.CodeMalformed, u.Err)
			return nil
		}
		reason, err := a.differsFrom(asBad(u), first)
		if reason != nil {
			setAside(asBad(u), aside.CodeDuplicateID, reason)
		}
		return err
	})
}

// sift sorts out a whole section, and returns the good objects. It calls each with every one of
// them, and sets aside those for which that returns an error, because they contradict others.
func sift[T any](ctx context.Context, a *applier, s *reading.Source[T], each func(reading.Ref, *T) error) ([]reading.Ref, error) {
	v, size := reading.NewSieve(s), int64(0)
	refs, keep := make([]reading.Ref, 0, s.Len()), []unit[T]{}
	for units, err := range s.Chunks(s.All(), reading.PieceObjects) {
		if err == nil {
			units, err = judge(a, v, units, a.SetAside)
		}
		if err = cmp.Or(err, a.FlushMany(ctx)); err != nil {
			return nil, err
		}
		for _, u := range units {
			if err := each(u.Ref, u.Object); err != nil {
				a.SetAside(asBad(u), aside.CodeDuplicateID, err)
				continue
			}
			refs = append(refs, u.Ref)
			if size += u.Place.Size(); size <= reading.MaxKept {
				keep = append(keep, u)
			}
		}
	}
	s.Keep(keep)
	return refs, nil
}

// differsFrom returns why an object is set aside whose id another one had first: it differs from
// that one.
func (a *applier) differsFrom(object aside.Object, first afe.Place) (reason, err error) {
	before, err := a.r.Text(first, first.Size())
	if err != nil {
		return nil, err
	}
	again, err := a.r.Text(object.Place, object.Place.Size())
	if err == nil && !reading.SameJSON(before, again) {
		reason = fmt.Errorf("another %s with id %d came first in this response", object.Kind, object.ID)
	}
	return reason, err
}
