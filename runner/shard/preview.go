package shard

import (
	"context"
	"fmt"

	"shardclient/runner/afe"
	"shardclient/runner/lock"
)

// Preview is what a beat would send that began now.
type Preview struct {
	Packet  *afe.Packet
	Mode    string  // the kind of packet: all, or one of a search for a refused record
	JobIDs  []int64 // of the finished jobs in it
	Waiting []int64 // finished jobs that may go, but wait for the packets after it
	Pending int     // all that wait, those in it included
	Retried string  // the record that was set aside and is tried again, such as `job 7`; "": none
}

// Preview reads the packet of a beat, in one read-only snapshot. It takes no lock, and neither
// writes nor calls anything, so it may run beside the client that serves the shard.
func (c *Client) Preview(ctx context.Context) (*Preview, error) {
	packet, m, err := c.packOnce(ctx, wholeBatch)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", lock.Explain(ctx, c.pool, err))
	}
	preview := &Preview{Packet: packet, Mode: m.plan.Mode, JobIDs: jobIDs(m.sent), Waiting: m.waiting, Pending: len(m.finished.Ids)}
	if m.plan.DueID != 0 {
		preview.Retried = fmt.Sprintf("%s %d", m.plan.DueKind, m.plan.DueID)
	}
	return preview, nil
}
