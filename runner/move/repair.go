package move

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// row is one of MySQL's by PostgreSQL's columns.
type row struct {
	name   string // for people: id 7
	values []any
}

// reading turns MySQL's rows into PostgreSQL's.
type reading struct {
	*table
	places []int // of its columns in MySQL's rows; -1: MySQL has none
	report *Report
	here   map[string]map[int64]bool // ids of the tables that have been stored
	used   []map[string]bool         // by key
	invent func(id int64) error      // a shard that rows name and nobody knows

	parents map[int64]int64 // of rows of this table
}

// names returns the columns that are written.
func (r *reading) names() (names []string) {
	for i, c := range r.columns {
		if r.places[i] >= 0 {
			names = append(names, c.name)
		}
	}
	return names
}

func (r *reading) place(columns []string) {
	r.places = nil
	for _, c := range r.columns {
		r.places = append(r.places, slices.Index(columns, c.name))
	}
	if r.used == nil {
		r.used = make([]map[string]bool, len(r.keys))
		for i := range r.used {
			r.used[i] = map[string]bool{}
		}
	}
}

// text returns a value of a row by the name of its column; nil: NULL, or there is no such column.
func (r *reading) text(from []*string, name string) *string {
	for i, c := range r.columns {
		if c.name == name && r.places[i] >= 0 {
			return from[r.places[i]]
		}
	}
	return nil
}

// identify names a row by its id, or by its first columns.
func (r *reading) identify(from []*string) string {
	if id := r.text(from, "id"); id != nil {
		return "id " + *id
	}
	for i, c := range r.columns {
		if r.places[i] >= 0 && from[r.places[i]] != nil {
			return c.name + " " + *from[r.places[i]]
		}
	}
	return "a row without values"
}

// inUseFirst puts rows that are in use before those that are not: of two hosts of one name, the one
// in use keeps it. Of two shards that is the newer one, as a shard that is removed and added again
// has a new id on the master.
func (r *reading) inUseFirst(rows [][]*string) {
	invalid := func(from []*string) int {
		if v := r.text(from, "invalid"); v != nil && *v != "0" {
			return 1
		}
		return 0
	}
	id := func(from []*string) int64 {
		if v := r.text(from, "id"); v != nil {
			n, _ := strconv.ParseInt(*v, 10, 64)
			return n
		}
		return 0
	}
	slices.SortStableFunc(rows, func(a, b []*string) int {
		if r.name == "afe_shards" {
			a, b = b, a
		}
		return cmp.Or(invalid(a)-invalid(b), cmp.Compare(id(a), id(b)))
	})
}

// row returns a row as it is stored; false: it is left out.
func (r *reading) row(from []*string) (row, bool, error) {
	made := row{name: r.identify(from)}
	var texts []*string
	for i, c := range r.columns {
		if r.places[i] < 0 {
			continue
		}
		was := from[r.places[i]]
		is, what := mended(c, was)
		if what != "" {
			r.report.repaired(r.table, c.name, what, made.name, was, is)
		}
		if c.refersTo != "" && is != nil {
			kept, err := r.reference(c, made.name, is)
			if err != nil {
				return row{}, false, err
			}
			is = kept
		}
		if is == nil && c.notNull {
			if c.refersTo == "" {
				r.report.repaired(r.table, c.name, "a NULL that nothing stands for: left out", made.name, was, nil)
			} else if was == nil {
				r.report.repaired(r.table, c.name, "names nothing: left out", made.name, nil, nil)
			}
			return row{}, false, nil
		}
		texts = append(texts, is)
	}
	if err := r.rememberParent(made.name, texts); err != nil {
		return row{}, false, err
	}
	if r.wouldRunWithoutHost(from, texts) {
		r.report.repaired(r.table, "host_id", "names no host, and no label either, and is open: left out, the master sends it again", made.name, r.text(from, "host_id"), nil)
		return row{}, false, nil
	}
	if !r.unique(made.name, texts) {
		return row{}, false, nil
	}
	at := 0
	for i, c := range r.columns {
		if r.places[i] >= 0 {
			v, err := typed(c, texts[at])
			if err != nil {
				return row{}, false, unfit(made.name, c, texts[at])
			}
			made.values = append(made.values, v)
			at++
		}
	}
	return made, true, nil
}

// reference returns the id of another row if that is here.
func (r *reading) reference(c column, name string, is *string) (*string, error) {
	if r.name == c.refersTo { // a parent, which may come later
		return is, nil
	}
	id, err := strconv.ParseInt(*is, 10, 64)
	if err != nil {
		return nil, unfit(name, c, is)
	}
	if r.here[c.refersTo][id] {
		return is, nil
	}
	if c.refersTo == "afe_shards" && r.name != "afe_shards_labels" {
		// NULL would ask for an upload.
		r.report.repaired(r.table, c.name, "names a shard that is not there: it is made", name, is, is)
		return is, r.invent(id)
	}
	what := "names a row of " + c.refersTo + " that is not there"
	if c.notNull {
		what += ": left out"
	}
	r.report.repaired(r.table, c.name, what, name, is, nil)
	return nil, nil
}

// wouldRunWithoutHost reports whether an open entry has lost its host: with no label either, a
// scheduler would run it as one that needs no host.
func (r *reading) wouldRunWithoutHost(from, texts []*string) bool {
	if r.name != "afe_host_queue_entries" || r.text(from, "host_id") == nil {
		return false
	}
	names := r.names()
	is := func(name string) *string { return texts[slices.Index(names, name)] }
	return is("host_id") == nil && is("meta_host") == nil && *is("complete") == "false"
}

// rememberParent lets a row come without its parent, which is named when all rows are here.
func (r *reading) rememberParent(name string, texts []*string) error {
	names := r.names()
	at, key := slices.Index(names, r.parent), slices.Index(names, r.identity)
	if at < 0 || texts[at] == nil {
		return nil
	}
	child, err := strconv.ParseInt(*texts[key], 10, 64)
	if err != nil {
		return unfit(name, r.columns[slices.IndexFunc(r.columns, func(c column) bool { return c.name == r.identity })], texts[key])
	}
	parent, err := strconv.ParseInt(*texts[at], 10, 64)
	if err != nil {
		return unfit(name, r.columns[slices.IndexFunc(r.columns, func(c column) bool { return c.name == r.parent })], texts[at])
	}
	r.parents[child], texts[at] = parent, nil
	return nil
}

// unique reports whether the row differs from all before it in what must differ. A name gives way:
// it gets its id behind it.
func (r *reading) unique(name string, texts []*string) bool {
	names := r.names()
	for k, key := range r.keys {
		whole, ok := r.key(names, key, texts)
		if !ok {
			continue
		}
		if r.used[k][whole] {
			i := slices.Index(names, key[0])
			if len(key) > 1 || k == 0 || r.kindOf(key[0]) != "text" {
				shown := strings.ReplaceAll(whole, between, ", ")
				r.report.repaired(r.table, strings.Join(key, ", "), "is there twice: left out", name, &shown, nil)
				return false
			}
			was, is := texts[i], *texts[i]+" (was "+name+")"
			for r.used[k][is] {
				is += "'"
			}
			texts[i], whole = &is, is
			r.report.repaired(r.table, key[0], "is the name of another one, too", name, was, &is)
		}
		r.used[k][whole] = true
	}
	return true
}

func (r *reading) kindOf(name string) string {
	i := slices.IndexFunc(r.columns, func(c column) bool { return c.name == name })
	return r.columns[i].kind
}

// key returns the values of a key as one text; false: one is NULL, which equals nothing.
func (r *reading) key(names, key []string, texts []*string) (string, bool) {
	var parts []string
	for _, name := range key {
		i := slices.Index(names, name)
		if i < 0 || texts[i] == nil {
			return "", false
		}
		parts = append(parts, *texts[i])
	}
	return strings.Join(parts, between), true
}

// between are the values of a key: no text here has it.
const between = "\x00"
