package move

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// NotEmptyError says that the database has rows of somebody else, or not as MySQL has them.
type NotEmptyError struct {
	Counts  []string // of the tables that have rows
	Differs []string // what is not as it is in MySQL, mostDiffers at most
	Count   int      // of all that is not
}

// mostDiffers is how many differences a message lists.
const mostDiffers = 10

func (e *NotEmptyError) Error() string {
	text := "the database is not empty, and not all of this MySQL is in it: it has " + strings.Join(e.Counts, ", ") + "; nothing was changed"
	if e.Count == 0 {
		return text + "; MySQL itself has nothing to move"
	}
	text += fmt.Sprintf("; %d values or rows differ: %s", e.Count, strings.Join(e.Differs, "; "))
	if more := e.Count - len(e.Differs); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Hint says what to do about it.
func (e *NotEmptyError) Hint() string {
	return "import into a new database that only migrate up has touched; or leave this one as it is, if a client or a scheduler has worked on it since its import"
}

// compareRows looks whether rows are in a database that is not empty, as they would be stored.
func (i *importing) compareRows(ctx context.Context, t *table, names []string, rows []row) error {
	if len(t.keys) == 0 || len(t.keys[0]) != 1 {
		return nil // there is no such table
	}
	key := slices.Index(names, t.keys[0][0])
	if key < 0 || len(rows) == 0 {
		return nil
	}
	here, err := i.rowsHere(ctx, t, names, key, rows)
	if err != nil {
		return err
	}
	for _, want := range rows {
		is, found := here[exact(want.values[key])]
		if !found {
			i.differs("%s %s is not here", t.name, want.name)
			continue
		}
		for n, name := range names {
			// Parents are named last, when all rows are here.
			if exact(want.values[n]) != exact(is[n]) && name != t.parent {
				i.differs("%s %s: %s is %s here, %s in MySQL", t.name, want.name, name, shownValue(is[n]), shownValue(want.values[n]))
			}
		}
	}
	return nil
}

func (i *importing) differs(format string, values ...any) {
	if i.difference.Count++; i.difference.Count <= mostDiffers {
		i.difference.Differs = append(i.difference.Differs, fmt.Sprintf(format, values...))
	}
}

// rowsHere returns PostgreSQL's rows with the keys of these, by key.
func (i *importing) rowsHere(ctx context.Context, t *table, names []string, key int, rows []row) (map[string][]any, error) {
	quoted := make([]string, len(names))
	for n, name := range names {
		quoted[n] = pgx.Identifier{name}.Sanitize()
	}
	query := statement("here", "{table}", pgx.Identifier{t.name}.Sanitize(), "{columns}", strings.Join(quoted, ", "), "{key}", quoted[key])
	var keys any
	if _, numbers := rows[0].values[key].(int64); numbers {
		keys = listOf[int64](rows, key)
	} else {
		keys = listOf[string](rows, key)
	}
	found, err := i.db.Query(ctx, query, keys)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	here := map[string][]any{}
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			return nil, err
		}
		here[exact(values[key])] = values
	}
	return here, found.Err()
}

func listOf[T any](rows []row, at int) (list []T) {
	for _, r := range rows {
		list = append(list, r.values[at].(T))
	}
	return list
}

// exact writes a value so that equal ones of both databases are equal texts, and no others.
func exact(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return v.Format(asMySQLWrites)
	case string:
		return "'" + v
	}
	return fmt.Sprint(v)
}

// shownValue is a value for people.
func shownValue(v any) string {
	if text, ok := v.(string); ok {
		return value(&text)
	}
	return exact(v)
}

// compareAll looks at the parents, which compareRows leaves out, and says whether everything is
// here.
func (i *importing) compareAll(ctx context.Context, counts []string) error {
	for _, t := range i.tables {
		if err := i.compareParents(ctx, t); err != nil {
			return err
		}
	}
	if i.difference.Count > 0 || len(i.here["afe_hosts"])+len(i.here["afe_jobs"]) == 0 {
		i.difference.Counts = counts
		return &i.difference
	}
	i.report = Report{Outcome: "already_here", Tables: []Moved{}, Repairs: []Kind{}, Stays: []string{}, Checks: []string{}, Others: i.from.others}
	var err error
	if i.report.WaitingJobs, err = i.q.WaitingJobs(ctx); err != nil {
		return err
	}
	return i.listKnown(ctx)
}

func (i *importing) compareParents(ctx context.Context, t *table) error {
	if t.parent == "" {
		return nil
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(i.here[t.name])), batch) {
		var rows []row
		for _, id := range ids {
			rows = append(rows, row{values: []any{id}})
		}
		here, err := i.rowsHere(ctx, t, []string{t.identity, t.parent}, 0, rows)
		if err != nil {
			return err
		}
		for _, id := range ids {
			parent, named := i.parents[t.name][id]
			want := shownValue(nil)
			if named && i.here[t.name][parent] {
				want = shownValue(parent)
			}
			if is := here[exact(id)]; is != nil && shownValue(is[1]) != want {
				i.differs("%s %s %d: %s is %s here, %s in MySQL", t.name, t.identity, id, t.parent, shownValue(is[1]), want)
			}
		}
	}
	return nil
}
