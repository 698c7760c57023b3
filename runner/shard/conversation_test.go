package shard_test

import (
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/lab/replay"
	"shardclient/runner/pgtest"
)

// The recorded conversations of the original client with the original master: the same requests,
// and the same database after each.
func TestConversation(t *testing.T) {
	t.Parallel()
	for _, protocol := range []afe.Protocol{afe.Protocol2015, afe.Protocol2019} {
		t.Run(string(protocol), func(t *testing.T) {
			exchanges, err := replay.Conversation(string(protocol))
			if err != nil {
				t.Fatal(err)
			}
			pool, master := pgtest.Pool(t), newMaster(t)
			client := newClient(t, pool, wire(t, master, protocol), options())
			for _, e := range exchanges {
				before, err := replay.ReadSnapshot(t.Context(), pool)
				if err != nil {
					t.Fatal(err)
				}
				if err := before.WriteAsScheduler(t.Context(), pool, e.After); err != nil {
					t.Fatal(err)
				}
				master.say(e.Response)
				b := mustBeat(t, client)
				if diff := replay.DiffRequests(e.Request, master.last(t)); diff != "" {
					t.Errorf("%s: request (-recorded +sent):\n%s", e.Name, diff)
				}
				after, err := replay.ReadSnapshot(t.Context(), pool)
				if err != nil {
					t.Fatal(err)
				}
				if diff := after.Diff(e.After); diff != "" {
					t.Errorf("%s: database (-recorded +stored):\n%s", e.Name, diff)
				}
				if b.Quarantined != 0 {
					t.Errorf("%s: %d objects set aside, want none", e.Name, b.Quarantined)
				}
			}
		})
	}
}
