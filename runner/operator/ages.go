package operator

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
)

// Ages says how long the jobs that are not finished have been waiting.
type Ages struct {
	// Buckets counts the jobs below the first bound, from the first to the second, and so on; it is
	// one longer than the bounds.
	Buckets []uint64
	// Seconds is the sum of all ages, Oldest the highest.
	Seconds, Oldest float64
}

// OpenJobAges asks for the ages of the jobs that have an open entry, in buckets with these bounds
// in seconds. A job's creation is a time without a zone, from the master: it is compared with the
// time of now in now's own zone, so master and shard should be in one. It fails when the database
// does.
func OpenJobAges(ctx context.Context, db sharddb.DBTX, bounds []float64, now time.Time) (Ages, error) {
	_, offset := now.Zone()
	rows, err := sharddb.New(db).OpenJobAges(ctx, bounds, float64(now.Unix()+int64(offset)))
	if err != nil {
		return Ages{}, fmt.Errorf("read the ages of open jobs: %w", err)
	}
	ages := Ages{Buckets: make([]uint64, len(bounds)+1)}
	for _, row := range rows {
		ages.Buckets[row.Bucket] = uint64(row.Jobs)
		ages.Seconds += row.Seconds
		ages.Oldest = max(ages.Oldest, row.Oldest)
	}
	return ages, nil
}
