package apply

import (
	"context"
	"fmt"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// storeHosts stores a chunk of hosts with their labels, attributes and ACL groups.
func (a *applier) storeHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host],
) (bad []aside.Object, left map[int64]string, err error) {
	here, err := hostsHere(ctx, q, chunk)
	if err != nil {
		return nil, nil, fmt.Errorf("look what is here: %w", err)
	}
	others, fresh := reading.Parted(chunk, here)
	if len(others) > 0 {
		others, bad, err = a.storableHosts(ctx, q, others)
	}
	if chunk = slices.Concat(fresh, others); err != nil || len(chunk) == 0 {
		return bad, nil, err
	}
	left, err = parentsFirst(ctx, a, q, chunk, func(chunk []unit[objects.Host]) rows.Parents { return collectParents(chunk, nil) })
	if err != nil {
		return nil, nil, err
	}
	if err := storeNewHosts(ctx, q, reading.Without(fresh, left), left); err != nil {
		return nil, nil, err
	}
	if others = reading.Without(others, left); len(others) > 0 {
		if err := mergeFreeHosts(ctx, q, others, left); err != nil {
			return nil, nil, err
		}
	}
	return bad, left, forget(ctx, a, q, aside.KindHost, reading.Without(chunk, left))
}

// hostsHere returns the ids of hosts that are not simply new.
func hostsHere(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host]) ([]int64, error) {
	var names []string
	for _, u := range chunk {
		names = append(names, u.Object.Hostname)
	}
	return q.HostsFind(ctx, reading.IDs(chunk), names)
}

// storeNewHosts stores new hosts, and adds to left those that need what another session has locked.
func storeNewHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host], left map[int64]string) error {
	if len(chunk) == 0 {
		return nil
	}
	var fresh rows.Hosts
	err := lockFree(chunk, left, func(chunk []unit[objects.Host]) (map[int64]string, error) {
		fresh = rows.Hosts{}
		for _, u := range chunk {
			fresh.Add(u.Object)
		}
		return fresh.Lock(ctx, q)
	})
	if err != nil {
		return err
	}
	return fresh.Store(ctx, q)
}

// mergeFreeHosts stores hosts that need nothing which another session has locked, and adds the
// others to left.
func mergeFreeHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host], left map[int64]string) error {
	var body []byte
	err := lockFree(chunk, left, func(chunk []unit[objects.Host]) (_ map[int64]string, err error) {
		if body, err = reading.JSON(chunk); err != nil {
			return nil, err
		}
		if _, err := q.StageHosts(ctx, body); err != nil {
			return nil, fmt.Errorf("stage: %w", err)
		}
		locked, err := q.HostsLock(ctx, body)
		if len(locked) > 0 {
			_, err = q.StagedHostsClear(ctx)
		}
		return reasons(locked), err
	})
	if err != nil {
		return err
	}
	return rows.MergeHosts(ctx, q, body)
}

// storableHosts sets aside the hosts whose id belongs to another host here, or whose name to
// another valid host.
func (a *applier) storableHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host],
) (good []unit[objects.Host], bad []aside.Object, err error) {
	var args sharddb.HostsRefusedParams
	for _, u := range chunk {
		h := u.Object
		args.Ids = append(args.Ids, h.ID)
		args.Hostnames = append(args.Hostnames, h.Hostname)
		args.Invalid = append(args.Invalid, h.Invalid.Value)
	}
	refused, err := q.HostsRefused(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken ids and names: %w", err)
	}
	good, bad = split(chunk, refused)
	if slices.ContainsFunc(bad, func(o aside.Object) bool { return o.Code == aside.CodeNameTaken }) {
		removed, err := a.removeReplaced(ctx, q, args)
		if err != nil {
			return nil, nil, fmt.Errorf("remove hosts that the master has added again: %w", err)
		}
		if removed { // none of those that are left is replaced
			return a.storableHosts(ctx, q, chunk)
		}
	}
	return good, bad, a.NoteTaken(ctx, q, aside.KindHost, bad)
}

// removeReplaced takes out of use the hosts that have a name which the chunk needs and that the
// master says it does not have, and reports whether there were any. One of which another session
// has locked a row keeps its name for this beat.
func (a *applier) removeReplaced(
	ctx context.Context, q *sharddb.Queries, args sharddb.HostsRefusedParams,
) (bool, error) {
	ids, err := q.HostsReplaced(ctx, sharddb.HostsReplacedParams(args))
	if err != nil || len(ids) == 0 {
		return false, err
	}
	free, _, err := removeFreeHosts(ctx, q, ids)
	if err != nil || len(free) == 0 {
		return false, err
	}
	a.o.Logger.Warn("hosts removed that the master has added again under other ids", "hosts", len(free), "first_id", free[0])
	return true, nil
}
