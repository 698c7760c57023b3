package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/masterdb"
)

// AddedShard says what [Admin.AddShard] did.
type AddedShard struct {
	Shard  Change   `json:"shard"`
	Labels []Change `json:"labels"`
}

// AddShard adds a shard, if it is missing, and gives it labels. A label of another shard is a
// [*LabelOwnerError], and a host that would then belong to two shards is a [*TornError].
func (a *Admin) AddShard(ctx context.Context, hostname string, labels ...string) (AddedShard, error) {
	return write(ctx, a, "add shard", func(q *masterdb.Queries) (AddedShard, error) {
		if err := checkShardHostname(hostname); err != nil {
			return AddedShard{}, err
		}
		found, err := lockLabels(ctx, q, labels)
		if err != nil {
			return AddedShard{}, err
		}
		shard, err := ensureShard(ctx, q, hostname)
		if err != nil {
			return AddedShard{}, err
		}
		changes, err := giveLabels(ctx, q, shard, found)
		return AddedShard{shard, changes}, err
	})
}

// checkShardHostname refuses a name that a shard could not send in a heartbeat.
func checkShardHostname(hostname string) error {
	if hostname == "" || strings.ContainsFunc(hostname, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &InvalidError{Kind: "shard", Name: hostname, Cause: "give its host name in printable ASCII, without spaces"}
	}
	return nil
}

func ensureShard(ctx context.Context, q *masterdb.Queries, hostname string) (Change, error) {
	added, err := q.AdminShardAdd(ctx, hostname)
	if err != nil {
		return Change{}, fmt.Errorf("store shard: %w", err)
	}
	if len(added) > 0 {
		return Change{added[0], hostname, Added}, nil
	}
	id, err := findShard(ctx, q, hostname)
	return Change{id, hostname, Unchanged}, err
}

func findShard(ctx context.Context, q *masterdb.Queries, hostname string) (int64, error) {
	id, err := q.AdminShardNamed(ctx, hostname)
	return id, shardError(hostname, err)
}

func shardError(hostname string, err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return &MissingError{Kind: "shard", Names: []string{hostname}}
	case err != nil:
		return fmt.Errorf("find shard: %w", err)
	}
	return nil
}

func giveLabels(
	ctx context.Context, q *masterdb.Queries, shard Change, labels map[string]masterdb.AdminLabelsNamedRow,
) ([]Change, error) {
	changes := []Change{}
	var given []int64
	for _, name := range sortedKeys(labels) {
		change := Change{labels[name].ID, name, Unchanged}
		switch labels[name].Shard {
		case shard.Name:
		case "":
			change.Outcome = Added
			given = append(given, change.ID)
		default:
			return nil, &LabelOwnerError{Label: name, Owner: labels[name].Shard, Want: shard.Name}
		}
		changes = append(changes, change)
	}
	if len(given) == 0 {
		return changes, nil
	}
	if _, err := q.AdminShardLabelAdd(ctx, shard.ID, given); err != nil {
		return nil, fmt.Errorf("store labels of the shard: %w", err)
	}
	return changes, checkTorn(ctx, q, nil, given)
}

// RemoveLabelsFromShard takes labels from a shard and returns how many hosts the shard loses: those
// that carry one of the labels and no other label of the shard. These hosts then belong to no
// shard, and the answer to the shard's next heartbeat says so. A label that does not belong to the
// shard is a [*LabelOwnerError].
func (a *Admin) RemoveLabelsFromShard(ctx context.Context, hostname string, labels ...string) (hosts int64, err error) {
	return write(ctx, a, "remove labels from shard", func(q *masterdb.Queries) (int64, error) {
		names, err := checkNames("label", labels)
		if err != nil {
			return 0, err
		}
		found, err := lockLabels(ctx, q, names)
		if err != nil {
			return 0, err
		}
		shardID, err := findShard(ctx, q, hostname)
		if err != nil {
			return 0, err
		}
		var ids []int64
		for _, name := range names {
			if found[name].Shard != hostname {
				return 0, &LabelOwnerError{Label: name, Owner: found[name].Shard, Want: hostname}
			}
			ids = append(ids, found[name].ID)
		}
		if _, err := q.AdminShardLabelRemove(ctx, shardID, ids); err != nil {
			return 0, fmt.Errorf("remove labels of the shard: %w", err)
		}
		// All hosts with these labels are locked, whichever shard they belong to now: a heartbeat
		// may be taking one.
		hostIDs, err := q.AdminHostLockLabelled(ctx, ids)
		if err != nil {
			return 0, fmt.Errorf("lock hosts: %w", err)
		}
		return release(ctx, q, hostIDs)
	})
}

// FreedShard says how many objects belonged to a shard that was removed.
type FreedShard struct {
	Jobs   int64 `json:"jobs"` // including finished ones
	Hosts  int64 `json:"hosts"`
	Labels int64 `json:"labels"`
}

// RemoveShard removes a shard. Its hosts, jobs and labels then belong to no shard. Anything that it
// has not uploaded yet is lost: its heartbeats fail with DoesNotExist.
func (a *Admin) RemoveShard(ctx context.Context, hostname string) (FreedShard, error) {
	return write(ctx, a, "remove shard", func(q *masterdb.Queries) (freed FreedShard, err error) {
		// The row is not locked: two removals that both held the lock would wait for each other.
		id, err := q.ShardByHostname(ctx, hostname)
		if err != nil {
			return freed, shardError(hostname, err)
		}
		if freed.Jobs, err = q.AdminShardFreeJobs(ctx, id); err != nil {
			return freed, fmt.Errorf("free jobs: %w", err)
		}
		if freed.Hosts, err = q.AdminShardFreeHosts(ctx, id); err != nil {
			return freed, fmt.Errorf("free hosts: %w", err)
		}
		if freed.Labels, err = q.AdminShardFreeLabels(ctx, id); err != nil {
			return freed, fmt.Errorf("free labels: %w", err)
		}
		// An object that a heartbeat assigned to the shard meanwhile refers to it. That is a
		// foreign key violation, and leads to another attempt.
		removed, err := q.AdminShardRemove(ctx, id)
		if err == nil && removed == 0 {
			err = pgx.ErrNoRows
		}
		return freed, shardError(hostname, err)
	})
}
