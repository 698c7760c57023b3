package move

import (
	"context"
	"maps"
	"slices"
)

// choose finds the jobs that move, and with them the parents that are in MySQL.
func (s *Source) choose(ctx context.Context, everything bool) ([]int64, error) {
	query := "chosen"
	if everything {
		query = "all_jobs"
	}
	chosen, err := s.ids(ctx, statement(query))
	if err != nil {
		return nil, err
	}
	all := map[int64]bool{}
	for _, id := range chosen {
		all[id] = true
	}
	for next := slices.Sorted(maps.Keys(all)); len(next) > 0; {
		var parents []int64
		for ids := range slices.Chunk(next, batch) {
			found, err := s.ids(ctx, statement("parents", "{ids}", listed(ids)))
			if err != nil {
				return nil, err
			}
			parents = append(parents, found...)
		}
		next = nil
		for _, id := range parents {
			if !all[id] {
				all[id] = true
				next = append(next, id)
			}
		}
	}
	// A parent that is not in MySQL is found in no table but that of the keyvals.
	return slices.Sorted(maps.Keys(all)), nil
}

// queries returns what asks MySQL for the rows of a table that move; none: the table stays.
func (i *importing) queries(ctx context.Context, t *table) (list []string, err error) {
	if !slices.Contains(i.from.tables, t.name) || t.given {
		return nil, nil
	}
	by := func(key string, ids []int64) (list []string) {
		for some := range slices.Chunk(ids, batch) {
			list = append(list, statement("some", "{table}", t.name, "{key}", key, "{ids}", listed(some)))
		}
		return list
	}
	has := func(name string) bool {
		return slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name })
	}
	whole := []string{statement("rows", "{table}", t.name)}
	switch {
	case t.name == "afe_jobs" && len(i.chosen) == 0: // its columns are looked at all the same
		return []string{statement("empty_table", "{table}", t.name)}, nil
	case t.name == "afe_jobs":
		return by("id", i.chosen), nil
	case t.name == "afe_special_tasks" && !i.All:
		return []string{statement("open_tasks")}, nil
	case ours(t.name) && (t.name == "afe_shards" || has("invalid")): // those in use come first
		return whole, nil
	case i.All && t.identity != "":
		return i.ranges(ctx, t)
	case i.All:
		return whole, nil
	case t.name == "afe_aborted_host_queue_entries":
		for some := range slices.Chunk(i.chosen, batch) {
			list = append(list, statement("aborted", "{ids}", listed(some)))
		}
		return append(list, statement("aborted_nothing")), nil // is left out, but not in silence
	case !ours(t.name): // results and sessions
		return nil, nil
	case has("job_id"): // those of no job are left out, but not in silence
		return append(by("job_id", i.chosen), statement("of_no_job", "{table}", t.name)), nil
	}
	return whole, nil
}

// ranges asks for a large table in pieces that fit into memory, and that leave PostgreSQL not long
// without a word.
func (i *importing) ranges(ctx context.Context, t *table) (list []string, err error) {
	var first, last string
	n := 0
	end := func() {
		if n > 0 {
			list = append(list, statement("range", "{table}", t.name, "{key}", t.identity, "{from}", first, "{to}", last))
		}
		n = 0
	}
	_, err = i.from.read(ctx, statement("keys_in_order", "{table}", t.name, "{key}", t.identity), func(_ []string, row []*string) {
		if n == 0 {
			first = *row[0]
		}
		last = *row[0]
		if n++; n == batch {
			end()
		}
	})
	end()
	if len(list) == 0 { // its columns are looked at all the same
		list = []string{statement("rows", "{table}", t.name)}
	}
	return list, err
}
