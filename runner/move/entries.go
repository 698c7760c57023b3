package move

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// mostApart is how many entries a refusal names.
const mostApart = 10

// beforeEntries is what comes before the entries are written.
func (e *exporting) beforeEntries(ctx context.Context, columns []string, rows [][]any, ids []int64) error {
	if err := e.apart(ctx, columns, rows, ids); err != nil {
		return err
	}
	return e.letHostsGo(ctx, columns, rows, ids)
}

// apart refuses to take completions back: no client and no scheduler does that, so an entry that is
// open here and complete in MySQL has ended there, after the import.
func (e *exporting) apart(ctx context.Context, columns []string, rows [][]any, ids []int64) error {
	complete := slices.Index(columns, "complete")
	if complete < 0 {
		return nil // to write the entries will fail, too
	}
	var open, ended []int64
	for i, row := range rows {
		if row[complete] == false {
			open = append(open, ids[i])
		}
	}
	for some := range slices.Chunk(open, batch) {
		found, err := e.source.ids(ctx, statement("complete_there", "{ids}", listed(some)))
		if err != nil {
			return err
		}
		ended = append(ended, found...)
	}
	if len(ended) == 0 {
		return nil
	}
	more := ""
	if len(ended) > mostApart {
		more = fmt.Sprintf(" and %d more", len(ended)-mostApart)
	}
	return &Refusal{
		Cause: "entries that are open here are complete in MySQL: " + listed(ended[:min(len(ended), mostApart)]) + more +
			": somebody has worked there since the import; nothing was changed",
		Remedy: "stop the scheduler and the Python client on MySQL, and find out which of the two has run these entries: " +
			"make them complete here as they are there, or open there as they are here, then start it again",
	}
}

// letHostsGo takes from entries of MySQL the hosts that they have no more: two entries of a job may
// have changed hosts, and no job may have one twice, not even between two updates.
func (e *exporting) letHostsGo(ctx context.Context, columns []string, rows [][]any, ids []int64) error {
	host := slices.Index(columns, "host_id")
	if host < 0 {
		return nil // it is not written, either
	}
	now := map[string]any{}
	for i, row := range rows {
		now[strconv.FormatInt(ids[i], 10)] = row[host]
	}
	var freed []int64
	for some := range slices.Chunk(ids, batch) {
		_, err := e.source.read(ctx, statement("with_host", "{ids}", listed(some)), func(_ []string, row []*string) {
			if now[*row[0]] != *row[1] {
				id, _ := strconv.ParseInt(*row[0], 10, 64) // it is one of the ids
				freed = append(freed, id)
			}
		})
		if err != nil {
			return err
		}
	}
	for some := range slices.Chunk(freed, batch) {
		if _, err := e.tx.ExecContext(ctx, statement("let_hosts_go", "{ids}", listed(some))); err != nil {
			return ofMySQL(err)
		}
	}
	return nil
}

// ErrNotImported refuses to fill a MySQL with another shard.
var ErrNotImported error = &Refusal{
	Cause:  "none of the jobs and hosts here are in that MySQL, by id and name: it is not the one that was imported; nothing was changed",
	Remedy: "name in --to the MySQL that was imported",
}

// meet looks whether a host or job is on both sides. Its id alone says nothing: each master counts
// from 1.
func (e *exporting) meet(ctx context.Context, w way, columns []string, rows [][]any, ids []int64) error {
	name := slices.Index(columns, w.named)
	if name < 0 {
		return nil
	}
	here := map[string]any{}
	for i, row := range rows {
		here[strconv.FormatInt(ids[i], 10)] = row[name]
	}
	for some := range slices.Chunk(ids, batch) {
		query := statement("named", "{table}", w.table, "{key}", w.key, "{name}", w.named, "{ids}", listed(some))
		_, err := e.source.read(ctx, query, func(_ []string, row []*string) {
			e.met = e.met || *row[1] != "" && here[*row[0]] == *row[1]
		})
		if err != nil || e.met {
			return err
		}
	}
	return nil
}
