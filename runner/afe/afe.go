// Package afe is the wire: what a shard and an Autotest master (AFE) say to each
// other in a heartbeat, in both versions of the protocol that are alive, and the
// JSON-RPC call that carries it. It knows nothing of databases and of what the
// shard does with an answer. The facts are in docs/protocol.md.
package afe

import (
	"fmt"
	"time"

	"shardclient/runner/plain"
)

// Protocol is a version of the heartbeat's arguments and result.
type Protocol string

const (
	// Protocol2015 knows no host statuses and no incorrect hosts.
	Protocol2015 Protocol = "2015"
	// Protocol2019 adds known_host_statuses, incorrect_host_ids and the host_id of
	// uploaded entries.
	Protocol2019 Protocol = "2019"
	// ProtocolAuto starts with 2019 and follows what the master understands.
	ProtocolAuto Protocol = "auto"
)

// ParseTime reads a naive time of the master. PostgreSQL keeps microseconds;
// finer digits are cut, never rounded into another second.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		// Go accepts a fraction after the seconds of a layout that has none.
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 { // Python knows no year 0
			return t.Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("want a time without zone like 2019-03-15T11:30:15, got %s", plain.Quote(s))
}
