package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// storeHosts stores a chunk of hosts with their labels, attributes and ACL groups.
func (a *applier) storeHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host],
) (bad []badObject, left map[int64]string, err error) {
	chunk, bad, err = a.storableHosts(ctx, q, chunk)
	if err != nil || len(chunk) == 0 {
		return bad, nil, err
	}
	left, err = parentsFirst(ctx, a, q, chunk, func(chunk []unit[objects.Host]) parents { return collectParents(chunk, nil) })
	if err != nil {
		return nil, nil, err
	}
	chunk = without(chunk, left)
	body, err := a.stageFreeHosts(ctx, q, chunk, left)
	if err != nil {
		return nil, nil, err
	}
	chunk = without(chunk, left)
	if err := mergeHosts(ctx, q, body); err != nil {
		return nil, nil, err
	}
	return bad, left, forget(ctx, a, q, kindHost, chunk)
}

// stageFreeHosts stages the hosts of a chunk that need nothing which another session has locked,
// and adds the others to left. It returns the staged hosts as JSON.
func (a *applier) stageFreeHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host], left map[int64]string,
) ([]byte, error) {
	for {
		body, err := jsonList(chunk)
		if err != nil {
			return nil, err
		}
		if _, err := q.StageHosts(ctx, body); err != nil {
			return nil, fmt.Errorf("stage: %w", err)
		}
		locked, err := q.HostsLock(ctx, body)
		if err != nil {
			return nil, fmt.Errorf("look for locked rows: %w", err)
		}
		if len(locked) == 0 {
			return body, nil
		}
		maps.Copy(left, reasons(locked))
		chunk = without(chunk, left)
		if _, err := q.StagedHostsClear(ctx); err != nil {
			return nil, err
		}
	}
}

// mergeHosts stores the staged hosts, with their labels, ACL groups and attributes.
func mergeHosts(ctx context.Context, q *sharddb.Queries, body []byte) error {
	for _, merge := range []func(context.Context) (int64, error){
		q.HostGiveWay, q.HostUpdate, q.HostInsert, q.StagedHostsClear,
	} {
		if _, err := merge(ctx); err != nil {
			return err
		}
	}
	for _, add := range []func(context.Context, []byte) (int64, error){
		q.HostAddLabels, q.HostAddACLGroups, q.HostReplaceAttributes,
	} {
		if _, err := add(ctx, body); err != nil {
			return fmt.Errorf("labels, ACL groups, attributes: %w", err)
		}
	}
	return nil
}

// storableHosts sets aside the hosts whose id belongs to another host here, or whose name to another
// valid host.
func (a *applier) storableHosts(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Host],
) (good []unit[objects.Host], bad []badObject, err error) {
	var args sharddb.HostsRefusedParams
	for _, u := range chunk {
		h := u.object
		args.Ids = append(args.Ids, h.ID)
		args.Hostnames = append(args.Hostnames, h.Hostname)
		args.Invalid = append(args.Invalid, h.Invalid.Value)
	}
	refused, err := q.HostsRefused(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken ids and names: %w", err)
	}
	good, bad = split(chunk, refused)
	if slices.ContainsFunc(bad, func(o badObject) bool { return o.Code == codeNameTaken }) {
		removed, err := a.removeReplaced(ctx, q, args)
		if err != nil {
			return nil, nil, fmt.Errorf("remove hosts that the master has added again: %w", err)
		}
		if removed { // none of those that are left is replaced
			return a.storableHosts(ctx, q, chunk)
		}
	}
	return good, bad, a.noteTaken(ctx, q, kindHost, bad)
}

// removeReplaced takes out of use the hosts that have a name which the chunk needs and that the
// master says it does not have, and reports whether there were any. One of which another session has
// locked a row keeps its name for this beat.
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
