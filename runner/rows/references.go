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

// references are the rows to which new rows of a chunk refer. They are locked as the foreign keys
// do it.
type references struct{ shards, hosts, labels, groups referred }

// referred are rows of one table. Thousands of objects refer to a few of them.
type referred struct {
	ids  []int64
	seen map[int64]bool // of ids
	by   []reference
}

type reference struct{ row, object int64 }

// add notes that an object refers to a row; nil: it does not.
func (r *referred) add(object int64, row *int64) {
	if row == nil {
		return
	}
	if !r.seen[*row] {
		if r.seen == nil {
			r.seen = map[int64]bool{}
		}
		r.seen[*row] = true
		r.ids = append(r.ids, *row)
	}
	r.by = append(r.by, reference{*row, object})
}

// lock locks the rows, and returns the objects that refer to one which another session has locked.
func (r *references) lock(ctx context.Context, q *sharddb.Queries) (map[int64]string, error) {
	locked := map[int64]string{}
	args := sharddb.ReferredLockParams{
		ShardIds: r.shards.ids, HostIds: r.hosts.ids, LabelIds: r.labels.ids, AclgroupIds: r.groups.ids,
	}
	if len(args.ShardIds)+len(args.HostIds)+len(args.LabelIds)+len(args.AclgroupIds) == 0 {
		return locked, nil
	}
	of := map[string]*referred{"afe_shards": &r.shards, "afe_hosts": &r.hosts, "afe_labels": &r.labels, "afe_acl_groups": &r.groups}
	rows, err := q.ReferredLock(ctx, args)
	for _, row := range rows {
		for _, ref := range of[row.OfTable].by {
			if ref.row == row.ID {
				locked[ref.object] = fmt.Sprintf("%s %d", row.OfTable, row.ID)
			}
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
