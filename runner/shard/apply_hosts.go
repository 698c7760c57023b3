package shard

import (
	"context"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/afe"
)

// storeHosts stores a chunk of hosts with their labels, attributes and ACL groups.
func (a *applier) storeHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[afe.Host]) ([]setAside, error) {
	chunk, bad, err := storableHosts(ctx, q, chunk)
	if err != nil || len(chunk) == 0 {
		return bad, err
	}
	if a.parentsByChunk {
		if err := collectParents(chunk, nil).store(ctx, q); err != nil {
			return nil, err
		}
	}
	body, err := jsonList(chunk)
	if err != nil {
		return nil, err
	}
	if _, err := q.StageHosts(ctx, body); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	for _, merge := range []func(context.Context) (int64, error){q.HostGiveWay, q.HostUpdate, q.HostInsert, q.StagedHostsClear} {
		if _, err := merge(ctx); err != nil {
			return nil, err
		}
	}
	for _, add := range []func(context.Context, []byte) (int64, error){q.HostAddLabels, q.HostAddACLGroups, q.HostReplaceAttributes} {
		if _, err := add(ctx, body); err != nil {
			return nil, fmt.Errorf("labels, ACL groups, attributes: %w", err)
		}
	}
	return bad, forget(ctx, a, q, kindHost, chunk)
}

// storableHosts sets aside hosts whose name belongs to another valid host.
func storableHosts(ctx context.Context, q *sharddb.Queries, chunk []unit[afe.Host]) ([]unit[afe.Host], []setAside, error) {
	var args sharddb.HostsRefusedParams
	for _, u := range chunk {
		h := u.object
		args.Ids, args.Hostnames, args.Invalid = append(args.Ids, h.ID), append(args.Hostnames, h.Hostname), append(args.Invalid, h.Invalid.Value)
	}
	refused, err := q.HostsRefused(ctx, args)
	if err != nil {
		return nil, nil, fmt.Errorf("look for taken names: %w", err)
	}
	good, bad := split(chunk, refused)
	return good, bad, nil
}

// refusal is a row of a statement that says which objects cannot be stored.
type refusal = struct {
	ID           int64
	Code, Reason string
}

// split sets aside the objects that were refused.
func split[T any, R ~refusal](chunk []unit[T], refused []R) (good []unit[T], bad []setAside) {
	reasons := make(map[int64]refusal, len(refused))
	for _, row := range refused {
		reasons[refusal(row).ID] = refusal(row)
	}
	for _, u := range chunk {
		if r, found := reasons[u.aside.ID]; found {
			u.aside.Code, u.aside.Reason = r.Code, r.Reason
			bad = append(bad, u.aside)
			continue
		}
		good = append(good, u)
	}
	return good, bad
}

// forget takes what was stored out of the quarantine, unless another object with
// the same id was set aside by this very beat.
func forget[T any](ctx context.Context, a *applier, q *sharddb.Queries, kind string, chunk []unit[T]) error {
	var ids []int64
	for _, u := range chunk {
		if !a.badIDs[objectKey{kind, u.aside.ID}] {
			ids = append(ids, u.aside.ID)
		}
	}
	args := sharddb.QuarantineForgetParams{Direction: directionIn, Kind: kind, ObjectIds: ids}
	if _, err := q.QuarantineForget(ctx, args); err != nil {
		return fmt.Errorf("take out of the quarantine: %w", err)
	}
	return nil
}

// jsonList is a chunk as statements take it that unpack JSON.
func jsonList[T any](chunk []unit[T]) ([]byte, error) {
	objects := make([]*T, len(chunk))
	for i, u := range chunk {
		objects[i] = u.object
	}
	return encode(objects)
}
