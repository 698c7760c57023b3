package move

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// epoch stands for a time that must be there and is not.
const epoch = "1970-01-01 00:00:00"

const asMySQLWrites = "2006-01-02 15:04:05.999999"

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

	parents map[int64]int64 // of jobs
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

// validFirst puts rows that are in use before those that are not: of two hosts of one name, the one
// in use keeps it.
func (r *reading) validFirst(rows [][]*string) {
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
	if r.name == "afe_jobs" {
		r.rememberParent(from, texts)
	}
	if !r.unique(made.name, texts) {
		return row{}, false, nil
	}
	at := 0
	for i, c := range r.columns {
		if r.places[i] >= 0 {
			v, err := typed(c, texts[at])
			if err != nil {
				return row{}, false, fmt.Errorf("%s, %s.%s: %w", made.name, r.name, c.name, err)
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
	if err != nil || r.here[c.refersTo][id] {
		return is, err
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

// rememberParent lets a job come without its parent, which is named when all jobs are here.
func (r *reading) rememberParent(from, texts []*string) {
	parent, id := r.text(from, "parent_job_id"), r.text(from, "id")
	if parent == nil || id == nil {
		return
	}
	child, err := strconv.ParseInt(*id, 10, 64)
	if err != nil {
		return
	}
	if of, err := strconv.ParseInt(*parent, 10, 64); err == nil {
		r.parents[child] = of
	}
	texts[slices.Index(r.names(), "parent_job_id")] = nil
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
				r.report.repaired(r.table, strings.Join(key, ", "), "is there twice: left out", name, &whole, nil)
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
	return strings.Join(parts, ", "), true
}

// mended returns a value as PostgreSQL takes it, and what was done; "": nothing.
func mended(c column, was *string) (is *string, what string) {
	otherwise := func(cause string) (*string, string) {
		switch {
		case !c.notNull:
			return nil, cause
		case c.byDefault != "" || c.kind == "text" && c.refersTo == "":
			return &c.byDefault, cause
		case strings.HasPrefix(c.kind, "timestamp"):
			return new(epoch), cause
		}
		return nil, ""
	}
	if was == nil {
		if !c.notNull {
			return nil, ""
		}
		return otherwise("NULL, where a value is wanted")
	}
	switch text := *was; {
	case c.kind == "boolean":
		truth := text != "0" && text != ""
		if text != "0" && text != "1" {
			what = "neither 0 nor 1"
		}
		return new(strconv.FormatBool(truth)), what
	case strings.HasPrefix(c.kind, "timestamp"):
		if _, err := time.Parse(asMySQLWrites, text); err != nil {
			return otherwise("a date that is none")
		}
	case c.kind == "integer" || c.kind == "smallint":
		most := int64(math.MaxInt32)
		if c.kind == "smallint" {
			most = math.MaxInt16
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n > most || n < -most-1) {
			return otherwise("a number that is too large")
		}
	case c.kind == "text" || strings.HasPrefix(c.kind, "character"):
		whole := strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", "")
		if whole != text {
			return &whole, "bytes that are no text"
		}
	}
	return was, ""
}

// typed returns a text as COPY takes it.
func typed(c column, text *string) (any, error) {
	if text == nil {
		return nil, nil
	}
	switch {
	case c.kind == "boolean":
		return strconv.ParseBool(*text)
	case c.kind == "bigint" || c.kind == "integer" || c.kind == "smallint":
		return strconv.ParseInt(*text, 10, 64)
	case strings.HasPrefix(c.kind, "timestamp"):
		return time.Parse(asMySQLWrites, *text)
	}
	return *text, nil
}
