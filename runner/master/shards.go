package master

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/gen/masterdb"
)

// shards answers get_shards, by which a client that is being set up finds out whether the master
// knows it. Unlike a heartbeat it changes nothing. The filters of the original are not here.
func (m *master) shards(ctx context.Context) ([]byte, error) {
	rows, err := masterdb.New(m.pool).ShardsList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the shards: %w", err)
	}
	type shard struct {
		ID       int64    `json:"id"`
		Hostname string   `json:"hostname"`
		Labels   []string `json:"labels"`
	}
	list := make([]shard, len(rows))
	for i, row := range rows {
		list[i] = shard(row)
	}
	return json.Marshal(list)
}
