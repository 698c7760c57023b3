package master

import (
	"sync"
	"time"

	"shardclient/runner/page"
)

const (
	// maxSightings bounds the names that callers can make up.
	maxSightings = 2000
	// silentAfter is how many of its usual pauses a shard may miss before it counts as silent, and
	// leastSilence how long that is at least.
	silentAfter  = 4
	leastSilence = 10 * time.Second
	usualPause   = time.Minute // of a shard of which only one heartbeat is known
	maxName      = 255         // bytes that are kept of a name or of a failure
)

// sightings are what this process has seen of shards, for its status page. Where several masters
// serve one database, each has seen its own heartbeats only.
type sightings struct {
	now   func() time.Time
	began time.Time

	mu     sync.Mutex
	shards map[string]sighted
	beats  []page.Bar // the last heartbeats of all shards
}

// sighted is what was seen of one shard.
type sighted struct {
	last, lastOK       time.Time // zero: never
	pause              time.Duration
	beats              int
	failures           int // since the last good one
	failure            string
	took               time.Duration
	jobs, hosts        int // known ids of the last good one
	uploaded, sentJobs int // of all
}

func newSightings(now func() time.Time) *sightings {
	return &sightings{now: now, began: now(), shards: map[string]sighted{}}
}

// note notes a heartbeat that has ended. A refused one has no answer.
func (s *sightings) note(name string, args *arguments, given *answer, failure error, took time.Duration) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	name = name[:min(len(name), maxName)]
	bar := page.Bar{At: now, MS: []float64{milliseconds(took)}, Failed: failure != nil,
		Told: page.Clock(now, now) + " " + name + ", " + page.Milliseconds(milliseconds(took))}
	s.beats = append(s.beats, bar)
	s.beats = append([]page.Bar(nil), s.beats[max(0, len(s.beats)-page.Bars):]...)
	seen, known := s.shards[name]
	if !known && len(s.shards) >= maxSightings {
		return
	}
	if known && failure == nil && !seen.lastOK.IsZero() {
		if pause := now.Sub(seen.lastOK); seen.pause == 0 {
			seen.pause = pause
		} else if pause < silentAfter*seen.pause { // an outage is not a new habit
			seen.pause = (3*seen.pause + pause) / 4
		}
	}
	seen.last, seen.took = now, took
	seen.beats++
	if failure != nil {
		seen.failures++
		seen.failure = failure.Error()
		seen.failure = seen.failure[:min(len(seen.failure), maxName)]
	} else {
		seen.lastOK, seen.failures, seen.failure = now, 0, ""
		seen.jobs, seen.hosts = len(args.knownJobIDs), len(args.knownHostIDs)
		seen.uploaded, seen.sentJobs = seen.uploaded+len(args.jobs), seen.sentJobs+given.jobs
	}
	s.shards[name] = seen
}

// silent reports whether a shard should have called again by now.
func (s *sighted) silent(now time.Time) bool {
	pause := s.pause
	if pause == 0 {
		pause = usualPause
	}
	return now.Sub(s.last) > max(silentAfter*pause, leastSilence)
}

// all returns what was seen.
func (s *sightings) all() (shards map[string]sighted, beats []page.Bar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shards = map[string]sighted{}
	for name, seen := range s.shards {
		shards[name] = seen
	}
	return shards, append([]page.Bar(nil), s.beats...)
}
