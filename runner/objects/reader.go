package objects

import (
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
)

// reader reads a value of one type. It remembers how the last ones looked, so it serves one quick.
type reader func(q *quick, v reflect.Value)

// readerOf makes a reader. As for the strict way, the types and their tags say what an object
// holds, and only a pointer may be null.
func readerOf(t reflect.Type) reader {
	switch t.Kind() {
	case reflect.String:
		return func(q *quick, v reflect.Value) { v.SetString(q.string()) }
	case reflect.Bool:
		return func(q *quick, v reflect.Value) { v.SetBool(q.flag()) }
	case reflect.Int32, reflect.Int64:
		return func(q *quick, v reflect.Value) {
			n := q.whole()
			if v.OverflowInt(n) {
				q.fail()
			}
			v.SetInt(n)
		}
	case reflect.Pointer:
		read := readerOf(t.Elem())
		return func(q *quick, v reflect.Value) {
			if q.has("null") {
				v.SetZero()
				return
			}
			p := reflect.New(t.Elem())
			read(q, p.Elem())
			v.Set(p)
		}
	case reflect.Slice:
		return listReader(t)
	}
	switch {
	case t == reflect.TypeFor[Time]():
		return func(q *quick, v reflect.Value) { *v.Addr().Interface().(*Time) = q.time() }
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.UnmarshalerFrom]()): // a Maybe
		read := readerOf(t.Field(0).Type)
		return func(q *quick, v reflect.Value) {
			read(q, v.Field(0))
			v.Field(1).SetBool(true)
		}
	}
	return objectReader(t)
}

// listReader lets a list grow in a room of its own, so that what is kept is no longer than it has
// to be.
func listReader(t reflect.Type) reader {
	read, empty, room := readerOf(t.Elem()), reflect.MakeSlice(t, 0, 0), reflect.New(t).Elem()
	return func(q *quick, v reflect.Value) {
		n := 0
		for q.enter('['); q.more(']'); n++ {
			if n == maxNested {
				q.fail()
			}
			if n == room.Len() {
				room.Grow(1)
				room.SetLen(room.Cap())
			}
			read(q, room.Index(n))
		}
		if v.Set(empty); n > 0 && q.text != nil {
			v.Grow(n)
			v.SetLen(n)
			reflect.Copy(v, room)
		}
		if n > maxRoom {
			room.SetZero()
		}
		room.Slice(0, min(n, room.Len())).Clear() // a long text in it would stay as long as the reader
	}
}

// objectReader reads an object on top of its defaults, of which a pointer is only replaced. Its
// names are likely to come in the order of the last one.
func objectReader(t reflect.Type) reader {
	const places = 32
	var order [places]uint8 // of the fields
	var empty reflect.Value
	for _, o := range []any{newRef(), newLabel(), newACLGroup(), newUser(), newAttribute(), newKeyval(), newEntry(), newHost(), newJob()} {
		if reflect.TypeOf(o) == t {
			empty = reflect.ValueOf(o)
		}
	}
	names, readers, byName := []string{}, []reader{}, map[string]uint8{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names, readers = append(names, `"`+name+`"`), append(readers, readerOf(t.Field(i).Type))
		byName[name] = uint8(i)
	}
	return func(q *quick, v reflect.Value) {
		v.Set(empty)
		place, seen := 0, uint64(0) // a bit for each field
		for q.enter('{'); q.more('}'); place++ {
			i := order[place%places]
			if !q.has(names[i]) {
				name, ours := q.name(), false
				if i, ours = byName[string(name)]; !ours {
					q.unwanted(name)
					continue
				}
				order[place%places] = i
			}
			if q.take(':'); seen&(1<<i) != 0 { // two have one name
				q.fail()
			}
			seen |= 1 << i
			readers[i](q, v.Field(int(i)))
		}
	}
}
