package rows

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
)

// maxCopied is how many rows one COPY takes, so that it ends before statement_timeout, however many
// keyvals a single job has.
const maxCopied = 100_000

// references are the rows to which new rows of a chunk refer.
type references struct {
	ids sharddb.ReferredLockParams
	// by has the objects that refer to a row, which is locked as the foreign keys do it.
	by map[reference][]int64
}

type reference struct {
	table string
	id    int64
}

// add notes that an object refers to a row; nil: it does not. ids is the list of its table.
func (r *references) add(object int64, table string, id *int64, ids *[]int64) {
	if id == nil {
		return
	}
	key := reference{table, *id}
	by, found := r.by[key]
	if !found {
		*ids = append(*ids, *id)
	}
	if r.by == nil {
		r.by = map[reference][]int64{}
	}
	r.by[key] = append(by, object)
}

// lock locks the rows, and returns the objects that refer to one which another session has locked.
func (r *references) lock(ctx context.Context, q *sharddb.Queries) (map[int64]string, error) {
	locked := map[int64]string{}
	if len(r.by) == 0 {
		return locked, nil
	}
	rows, err := q.ReferredLock(ctx, r.ids)
	for _, row := range rows {
		for _, object := range r.by[reference{row.OfTable, row.ID}] {
			locked[object] = fmt.Sprintf("%s %d", row.OfTable, row.ID)
		}
	}
	return locked, err
}

// copyRows copies rows into their table.
func copyRows[T any](ctx context.Context, table string, rows []T, to func(context.Context, []T) (int64, error)) error {
	for some := range slices.Chunk(rows, maxCopied) {
		n, err := to(ctx, some)
		if err == nil && n < int64(len(some)) {
			err = swallowed(table)
		}
		if err != nil {
			return fmt.Errorf("copy %d rows into %s: %w", len(some), table, err)
		}
	}
	return nil
}
