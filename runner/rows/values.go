package rows

import (
	"slices"

	"shardclient/runner/objects"

	"github.com/jackc/pgx/v5/pgtype"
)

// distinct returns the ids of a list, each once: the master may name a label or a group twice.
func distinct[T any](list []T, id func(*T) int64) []int64 {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = id(&list[i])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func shardID(ref objects.Maybe[*objects.Ref]) *int64 {
	if ref.Value == nil {
		return nil
	}
	return &ref.Value.ID
}

func labelID(label objects.Maybe[*objects.Label]) *int64 {
	if label.Value == nil {
		return nil
	}
	return &label.Value.ID
}

// orZero returns an id as arrays have it, which hold no NULL.
func orZero(id *int64) int64 {
	if id == nil {
		return 0
	}
	return *id
}

// Timestamp returns a time as statements take it; nil is NULL.
func Timestamp(t *objects.Time) pgtype.Timestamp {
	if t == nil {
		return pgtype.Timestamp{}
	}
	return pgtype.Timestamp{Time: t.Time, Valid: true}
}
