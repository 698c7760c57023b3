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
func (i *importing) queries(t *table) (list []string) {
	if !slices.Contains(i.from.tables, t.name) || t.given {
		return nil
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
	switch {
	case t.name == "afe_jobs":
		return by("id", i.chosen)
	case t.name == "afe_special_tasks" && !i.All:
		return []string{statement("open_tasks")}
	case i.All:
		return []string{statement("rows", "{table}", t.name)}
	case t.name == "afe_aborted_host_queue_entries":
		for some := range slices.Chunk(i.chosen, batch) {
			list = append(list, statement("aborted", "{ids}", listed(some)))
		}
		return append(list, statement("aborted_nothing")) // is left out, but not in silence
	case !ours(t.name): // results and sessions
		return nil
	case has("job_id"):
		return by("job_id", i.chosen)
	}
	return []string{statement("rows", "{table}", t.name)}
}
