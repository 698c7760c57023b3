package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shardclient/gen/movedb"
	"shardclient/runner/pg"
)

// column is one of PostgreSQL's.
type column struct {
	name, kind string
	notNull    bool
	byDefault  string // "": none, or that is an empty text
	noDefault  bool
	refersTo   string
}

// table is one of PostgreSQL's.
type table struct {
	name    string
	columns []column
	keys    [][]string // what differs between any two rows, the primary key first
	given   bool       // it has rows of a migration, and gets no others

	identity string // the column that counts by itself; "": none
	parent   string // the column that names another row of the table; "": none
}

// tables returns PostgreSQL's tables, each after those that it refers to.
func tables(ctx context.Context, db pg.DB) ([]*table, error) {
	q := movedb.New(db)
	columns, err := q.Columns(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	keys, err := q.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	byName, names := map[string]*table{}, []string{}
	for _, c := range columns {
		if byName[c.TableName] == nil {
			byName[c.TableName] = &table{name: c.TableName}
			names = append(names, c.TableName)
		}
		t := byName[c.TableName]
		t.columns = append(t.columns, column{
			name: c.Name, kind: c.Type, notNull: c.NotNull, byDefault: literal(c.DefaultValue), noDefault: c.DefaultValue == "", refersTo: c.RefersTo,
		})
		if c.IsIdentity {
			t.identity = c.Name
		}
		if c.RefersTo == c.TableName {
			t.parent = c.Name
		}
	}
	for _, k := range keys {
		t := byName[k.TableName]
		if k.IsPrimary {
			t.keys = slices.Insert(t.keys, 0, k.Names)
		} else {
			t.keys = append(t.keys, k.Names)
		}
	}
	var order []*table
	var visit func(name string)
	seen := map[string]bool{}
	visit = func(name string) {
		if seen[name] || byName[name] == nil {
			return
		}
		seen[name] = true
		for _, c := range byName[name].columns {
			visit(c.refersTo)
		}
		order = append(order, byName[name])
	}
	// Not of a foreign key, but needed to choose its rows.
	for _, name := range append([]string{"afe_shards", "afe_jobs", "afe_host_queue_entries"}, names...) {
		visit(name)
	}
	return order, nil
}

// literal returns the value of a constant default as a text; "" for one that is worked out.
func literal(expression string) string {
	text, _, _ := strings.Cut(expression, "::")
	if strings.ContainsRune(text, '(') {
		return ""
	}
	return strings.Trim(text, "'")
}
