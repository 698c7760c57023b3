package admin

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
)

// NewLabel is a label to add.
type NewLabel struct {
	Name     string
	Platform bool
}

// AddLabels adds labels. A label that exists already stays as it is.
func (a *Admin) AddLabels(ctx context.Context, labels ...NewLabel) ([]Change, error) {
	return write(ctx, a, "add labels", func(q *masterdb.Queries) ([]Change, error) {
		platform := map[string]bool{}
		names := make([]string, len(labels))
		for i, label := range labels {
			names[i], platform[label.Name] = label.Name, label.Platform
		}
		names, err := checkNames("label", names)
		if err != nil {
			return nil, err
		}
		platforms := make([]bool, len(names))
		for i, name := range names {
			platforms[i] = platform[name]
		}
		return addLabels(ctx, q, names, platforms)
	})
}

func addLabels(ctx context.Context, q *masterdb.Queries, names []string, platforms []bool) ([]Change, error) {
	outcomes := map[string]Outcome{}
	restored, err := q.AdminLabelRestore(ctx, names, platforms)
	if err != nil {
		return nil, fmt.Errorf("restore labels: %w", err)
	}
	for _, row := range restored {
		outcomes[row.Name] = Restored
	}
	added, err := q.AdminLabelAdd(ctx, names, platforms)
	if err != nil {
		return nil, fmt.Errorf("store labels: %w", err)
	}
	for _, row := range added {
		outcomes[row.Name] = Added
	}
	found, err := findLabels(ctx, q, names)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, len(names))
	for i, name := range names {
		changes[i] = Change{found[name].ID, name, Unchanged}
		if outcome, ok := outcomes[name]; ok {
			changes[i].Outcome = outcome
		}
	}
	return changes, nil
}

// findLabels returns labels by name. All must exist. Until the transaction ends they can neither be
// removed nor given to a shard.
func findLabels(
	ctx context.Context, q *masterdb.Queries, names []string,
) (map[string]masterdb.AdminLabelsNamedRow, error) {
	found := map[string]masterdb.AdminLabelsNamedRow{}
	if len(names) == 0 {
		return found, nil
	}
	rows, err := q.AdminLabelsNamed(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	for _, row := range rows {
		found[row.Name] = row
	}
	return found, missing("label", names, found)
}

// lockLabels does the same for a transaction that depends on who uses a label: until it ends,
// nobody can begin to use the label.
func lockLabels(
	ctx context.Context, q *masterdb.Queries, names []string,
) (map[string]masterdb.AdminLabelsNamedRow, error) {
	if len(names) > 0 {
		if _, err := q.AdminLabelLock(ctx, names); err != nil {
			return nil, fmt.Errorf("lock labels: %w", err)
		}
	}
	return findLabels(ctx, q, names)
}

// RemoveLabel removes a label that no shard, host or open job uses; otherwise the error is a
// [*LabelUsedError]. Its row stays, because finished jobs refer to it. A label that is added again
// gets its old row back.
func (a *Admin) RemoveLabel(ctx context.Context, name string) error {
	_, err := write(ctx, a, "remove label", func(q *masterdb.Queries) (int64, error) {
		found, err := lockLabels(ctx, q, []string{name})
		if err != nil {
			return 0, err
		}
		uses, err := q.AdminLabelUses(ctx, found[name].ID)
		if err != nil {
			return 0, fmt.Errorf("find who uses it: %w", err)
		}
		if uses.Shard != "" || uses.Hosts > 0 || uses.OpenJobs > 0 {
			return 0, &LabelUsedError{Label: name, Shard: uses.Shard, Hosts: uses.Hosts, OpenJobs: uses.OpenJobs}
		}
		return q.AdminLabelRemove(ctx, []int64{found[name].ID})
	})
	return err
}
