package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"shardclient/gen/labdb"
	"shardclient/runner/master"
)

// look is what the databases of both sides say at one time, and the master.
type look struct {
	created, assigned int64 // jobs of suites on the master
	known             int64 // of these, finished there
	openSuites        int64
	answered          int64 // heartbeats, by all masters of the play
	shards            []shardLook
}

// shardLook is what one shard has, runs and has still to say.
type shardLook struct {
	labdb.DemoShardRow
	beats, failed int64     // failed ones are among the beats
	lastOK        time.Time // when the last beat that was not failed ended
}

func (l shardLook) finished() int64 { return l.Jobs - l.Open }
func (l shardLook) waiting() int64  { return l.Open - l.Running }

// backlog is how many jobs have not come to their end on the master.
func (l look) backlog() int64 { return l.created - l.known }

func (l look) finished() (jobs int64) {
	for _, one := range l.shards {
		jobs += one.finished()
	}
	return jobs
}

// observer looks at everything, again and again. It notes in a history what happened since it
// looked last.
type observer struct {
	stage    *stage
	began    time.Time
	history  *history
	client   http.Client
	counted  int64 // heartbeats of the master that serves now
	answered int64 // heartbeats of all that have served
	shards   []shardLook
	lastID   []int64 // of the beats of each shard
}

func newObserver(s *stage, began time.Time) *observer {
	return &observer{
		stage: s, began: began, history: newHistory(len(s.shards)),
		// A killed master leaves no connection to be found broken.
		client: http.Client{Timeout: turn, Transport: &http.Transport{DisableKeepAlives: true}},
		shards: make([]shardLook, len(s.shards)), lastID: make([]int64, len(s.shards)),
	}
}

// look reads all databases, one after the other.
func (o *observer) look(ctx context.Context) (look, error) {
	m, err := labdb.New(o.stage.masterDB).DemoMaster(ctx)
	if err != nil {
		return look{}, fmt.Errorf("count the master's jobs: %w", err)
	}
	now := o.history.second(time.Since(o.began))
	now.backlog = m.Created - m.Finished
	now.master.down = now.master.down || o.stage.master.Ended()
	if counted, err := o.heartbeats(ctx); err == nil {
		if counted < o.counted {
			o.counted = 0 // it was started again
		}
		now.master.beats += int(counted - o.counted)
		o.answered += counted - o.counted
		o.counted = counted
	}
	for i, one := range o.stage.shards {
		if err := o.lookAt(ctx, i); err != nil {
			return look{}, fmt.Errorf("look at %s: %w", one.hostname, err)
		}
	}
	return look{
		created: m.Created, assigned: m.Assigned, known: m.Finished, openSuites: m.OpenSuites,
		answered: o.answered, shards: append([]shardLook(nil), o.shards...),
	}, nil
}

func (o *observer) lookAt(ctx context.Context, i int) error {
	one, seen := o.stage.shards[i], &o.shards[i]
	row, err := labdb.New(one.db).DemoShard(ctx)
	if err != nil {
		return err
	}
	seen.DemoShardRow = row
	beats, err := labdb.New(one.db).DemoBeats(ctx, o.lastID[i])
	if err != nil {
		return err
	}
	for _, b := range beats {
		took := time.Duration(b.TookMs * float64(time.Millisecond))
		ended := b.StartedAt.Add(took)
		cell := &o.history.second(ended.Sub(o.began)).shards[i]
		cell.beats++
		cell.longest = max(cell.longest, took)
		seen.beats++
		if b.Ok {
			seen.lastOK = ended
		} else {
			cell.failed++
			seen.failed++
		}
		o.lastID[i] = b.ID
	}
	cell := &o.history.second(time.Since(o.began)).shards[i]
	cell.down = cell.down || one.client.Ended()
	return nil
}

// heartbeats asks the master how many it has answered since it was started.
func (o *observer) heartbeats(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.stage.masterURL+master.StatsPath, nil)
	if err != nil {
		return 0, err
	}
	response, err := o.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	var counts master.Counts
	err = json.NewDecoder(response.Body).Decode(&counts)
	return counts.Heartbeats, err
}
