// Package operator answers what people ask of a shard's database. Nothing here runs within a beat,
// and nothing here is needed by one.
package operator

import (
	"context"
	"fmt"
	"time"

	"shardclient/gen/sharddb"
)

// Quarantined is one object that was set aside, as `quarantine list` prints it.
type Quarantined struct {
	Direction   string    `json:"direction"` // in, out
	Kind        string    `json:"kind"`      // host, job, suite_keyval
	ID          *int64    `json:"id"`        // null: it has none
	Code        string    `json:"code"`
	Reason      string    `json:"reason"` // one line
	Occurrences int64     `json:"occurrences"`
	FirstSeen   time.Time `json:"first_seen"` // UTC
	LastSeen    time.Time `json:"last_seen"`
}

// ListQuarantine returns every object that is set aside, by direction, kind and id; never nil.
func ListQuarantine(ctx context.Context, db sharddb.DBTX) ([]Quarantined, error) {
	rows, err := sharddb.New(db).QuarantineList(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	list := make([]Quarantined, len(rows))
	for i, r := range rows {
		list[i] = Quarantined(r)
		list[i].FirstSeen, list[i].LastSeen = r.FirstSeen.UTC(), r.LastSeen.UTC()
	}
	return list, nil
}
