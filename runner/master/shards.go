package master

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/gen/masterdb"
)

// shards answers get_shards, by which a client that is being set up finds out whether the master
// knows it. Unlike a heartbeat it changes nothing. Of the filters of the original hostname is here.
func (m *master) shards(ctx context.Context, params []any) ([]byte, error) {
	hostname := ""
	if len(params) > 0 {
		filter, _ := params[len(params)-1].(object)
		hostname, _ = filter.asMap()["hostname"].(string)
	}
	rows, err := masterdb.New(m.pool).ShardsList(ctx, hostname, m.o.NocaseNames)
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
