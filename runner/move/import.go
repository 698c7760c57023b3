// Package move brings the rows of a shard from Autotest's MySQL into its PostgreSQL, and, for a way
// back, what has changed since from there to MySQL.
//
// # The way in
//
// [Import] asks PostgreSQL for its tables, and MySQL for the rows that must move: all hosts,
// labels, groups and users; of the jobs those that are open, those that wait for their upload,
// those with several entries, and the parents of these that are here; and what belongs to them. A
// finished job with several entries moves because the old client may have lost a completion of it:
// the master then sends the job again, and a shard without its row would run it twice. Each row is
// mended where PostgreSQL asks more than MySQL did ([Report]), and copied. All of it is one
// transaction of the lock that shard-client takes for a beat, so that no client beats meanwhile and
// nothing is left of an import that failed.
//
// # Limits
//
// It knows neither settings nor terminals, and calls no master. The only program that links it, and
// with it the driver of MySQL, is shard-client-move
// (docs/decisions/0076-the-move-is-a-program-of-its-own.md).
package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/movedb"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
)

// Options say what an import does.
type Options struct {
	All    bool         // finished jobs, too
	DryRun bool         // nothing stays
	At     func(string) // is told what is done

	Program string // whose sessions in PostgreSQL are the move's own, by application_name
}

// errDryRun rolls a rehearsal back.
var errDryRun = errors.New("dry run")

// batch is how many rows are asked for by their ids, and stored, at once.
const batch = 1000

// Import copies a shard's rows, and proves that they are there. The lock is held.
func Import(ctx context.Context, from *Source, into *lock.Lock, o Options) (*Report, error) {
	var report *Report
	// Before the transaction, which PostgreSQL ends when nobody says anything in it for a minute.
	o.At("choosing what moves")
	chosen, err := from.choose(ctx, o.All)
	if err != nil {
		return nil, fmt.Errorf("choose the jobs that move: %w", err)
	}
	err = into.WriteRows(ctx, func(db *pg.Tx) error {
		i := &importing{Options: o, from: from, db: db, q: movedb.New(db), here: map[string]map[int64]bool{}, chosen: chosen}
		report = &i.report
		return i.run(ctx)
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return report, err
}

type importing struct {
	Options
	from   *Source
	db     pg.DB
	q      *movedb.Queries
	report Report
	here   map[string]map[int64]bool

	tables  []*table
	chosen  []int64                    // jobs
	parents map[string]map[int64]int64 // by table

	filled     bool // the database is not empty: rows are compared
	difference NotEmptyError
}

func (i *importing) run(ctx context.Context) (err error) {
	i.report = Report{Outcome: "imported", Repairs: []Kind{}, Stays: []string{}, Checks: []string{}, Others: i.from.others}
	i.parents = map[string]map[int64]int64{}
	if i.tables, err = tables(ctx, i.db); err != nil {
		return err
	}
	counts, err := i.counts(ctx)
	if err != nil {
		return err
	}
	i.filled = len(counts) > 0
	for _, t := range i.tables {
		if err := i.move(ctx, t); err != nil {
			return fmt.Errorf("move %s: %w", t.name, err)
		}
	}
	if i.filled {
		return i.compareAll(ctx, counts)
	}
	if i.report.HalfUploaded, err = i.q.NoteHalfUploaded(ctx); err != nil {
		return fmt.Errorf("note the half-uploaded jobs: %w", err)
	}
	i.listWhatStays()
	i.At("checking")
	if err := i.check(ctx); err != nil {
		return err
	}
	if i.DryRun {
		i.report.Outcome = "dry_run"
		return errDryRun
	}
	return nil
}

// counts returns how many rows the tables have that are not empty.
func (i *importing) counts(ctx context.Context) (list []string, err error) {
	for _, t := range i.tables {
		n, err := i.count(ctx, t)
		if err != nil {
			return nil, err
		}
		t.given = n > 0 && !ours(t.name) && !(i.All && t.name == statusWords)
		if n > 0 && ours(t.name) {
			list = append(list, fmt.Sprintf("%d of %s", n, t.name))
		}
	}
	return list, nil
}

// statusWords are filled by a migration. The results that name them bring their own, which may have
// other numbers.
const statusWords = "tko_status"

// ours reports whether a table is one that migrations leave empty.
func ours(name string) bool { return strings.HasPrefix(name, "afe_") }

func (i *importing) count(ctx context.Context, t *table) (n int64, err error) {
	err = i.db.QueryRow(ctx, statement("count", "{table}", pgx.Identifier{t.name}.Sanitize())).Scan(&n)
	return n, err
}

func (i *importing) move(ctx context.Context, t *table) error {
	i.here[t.name], i.parents[t.name] = map[int64]bool{}, map[int64]int64{}
	moved := Moved{Table: t.name}
	r := &reading{table: t, report: &i.report, here: i.here, parents: i.parents[t.name]}
	r.invent = func(id int64) error { return i.inventShard(ctx, id) }
	queries, err := i.queries(ctx, t)
	if err != nil {
		return err
	}
	for n, query := range queries {
		i.At(fmt.Sprintf("%s, %d of %d", t.name, n+1, len(queries)))
		var rows [][]*string
		columns, err := i.from.read(ctx, query, func(_ []string, row []*string) { rows = append(rows, row) })
		if err != nil {
			return err
		}
		r.place(columns)
		if n == 0 {
			if err := i.begin(ctx, t, columns); err != nil {
				return err
			}
		}
		moved.Read += int64(len(rows))
		r.inUseFirst(rows)
		for some := range slices.Chunk(rows, batch) {
			stored, err := i.store(ctx, r, some)
			if err != nil {
				return err
			}
			moved.Stored += stored
		}
	}
	moved.LeftOut = moved.Read - moved.Stored
	if len(queries) > 0 {
		i.report.Tables = append(i.report.Tables, moved)
	}
	return i.nameParents(ctx, t)
}

// begin looks at the columns that MySQL has for a table.
func (i *importing) begin(ctx context.Context, t *table, columns []string) error {
	for _, c := range t.columns {
		if c.notNull && c.byDefault == "" && c.name != t.identity && !slices.Contains(columns, c.name) && (c.kind != "text" || c.noDefault) {
			return &Refusal{
				Cause:  fmt.Sprintf("%s of MySQL has no column %s, which has no default here", t.name, c.name),
				Remedy: "bring MySQL to the tables that Autotest of 2015 or newer has, with its own database/migrate.py",
			}
		}
	}
	i.noteColumns(t, columns)
	if t.name != statusWords || i.filled {
		return nil
	}
	_, err := i.db.Exec(ctx, statement("empty", "{table}", pgx.Identifier{t.name}.Sanitize()))
	return err
}

// store mends some rows, and copies or compares them.
func (i *importing) store(ctx context.Context, r *reading, rows [][]*string) (int64, error) {
	var made []row
	names := r.names()
	key := slices.Index(names, r.identity)
	for _, from := range rows {
		one, ok, err := r.row(from)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		made = append(made, one)
		if key >= 0 {
			i.here[r.name][one.values[key].(int64)] = true
		}
	}
	if i.filled || len(made) == 0 {
		return int64(len(made)), i.compareRows(ctx, r.table, names, made)
	}
	stored, err := i.db.CopyFrom(ctx, pgx.Identifier{r.name}, names, pgx.CopyFromSlice(len(made), func(n int) ([]any, error) { return made[n].values, nil }))
	return stored, ofRow(err, made)
}

// inventShard stores a shard that rows name and MySQL does not know: without it they would say
// something else. The master tells its name when it sends such a row.
func (i *importing) inventShard(ctx context.Context, id int64) error {
	i.here["afe_shards"][id] = true
	if i.filled {
		return nil
	}
	values := [][]any{{id, "unknown shard " + strconv.FormatInt(id, 10)}}
	_, err := i.db.CopyFrom(ctx, pgx.Identifier{"afe_shards"}, []string{"id", "hostname"}, pgx.CopyFromRows(values))
	at := slices.IndexFunc(i.report.Tables, func(m Moved) bool { return m.Table == "afe_shards" })
	if at >= 0 {
		i.report.Tables[at].Stored++
	}
	return err
}

// nameParents lets rows name the parents that are here. A parent may have a higher id than its
// child.
func (i *importing) nameParents(ctx context.Context, t *table) error {
	if t.parent == "" || i.filled {
		return nil
	}
	var children, parents []int64
	for _, id := range slices.Sorted(maps.Keys(i.parents[t.name])) {
		switch parent := i.parents[t.name][id]; {
		case !i.here[t.name][id]: // left out
		case i.here[t.name][parent]:
			children, parents = append(children, id), append(parents, parent)
		default:
			was := strconv.FormatInt(parent, 10)
			i.report.repaired(t, t.parent, "names a row of "+t.name+" that is not there", fmt.Sprintf("%s %d", t.identity, id), &was, nil)
		}
	}
	name := statement("name", "{table}", pgx.Identifier{t.name}.Sanitize(), "{column}", pgx.Identifier{t.parent}.Sanitize(), "{key}", pgx.Identifier{t.identity}.Sanitize())
	if _, err := i.db.Exec(ctx, name, children, parents); err != nil {
		return fmt.Errorf("name the parents: %w", err)
	}
	return nil
}
