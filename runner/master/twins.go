package master

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"shardclient/gen/masterdb"
	"shardclient/runner/pg"
)

// twinWindow is how long ago the last heartbeat of a shard may be for the next one to contradict
// it, and how long nothing more is logged of the same sign. It is some beats of a shard at the
// usual pace.
const twinWindow = 10 * time.Minute

// shownIDs is how many ids of a list are logged.
const shownIDs = 5

// sign is a trace of two databases that serve as one shard, such as those of a cloned machine. Both
// run the jobs that they have in common, and the protocol itself has nothing against it.
type sign string

const (
	// twoAddresses: heartbeats of one shard come from two addresses.
	twoAddresses sign = "two_addresses"
	// forgottenIDs: a host was known and is not any more, or a job was known, then not, and is
	// again. A database that was put back from a backup shows it once, and so does a request that
	// was delayed.
	forgottenIDs sign = "forgotten_ids"
	// otherEnds: an entry that had ended is uploaded with another end.
	otherEnds sign = "other_ends"
)

// sighting is what a heartbeat shows of its shard.
type sighting struct {
	at          time.Time
	address     string
	jobs, hosts []int64 // known ids, ascending
	missed      []int64 // open jobs that earlier heartbeats knew and later ones do not, ascending
}

// twins remembers the last heartbeat of each shard
// (docs/decisions/0042-the-master-notices-twins.md). A process sees only its own heartbeats: where
// several masters serve one database, each notices less.
type twins struct {
	now    func() time.Time
	log    *slog.Logger
	counts *Stats // may be nil

	mu      sync.Mutex
	last    map[int64]sighting
	refused map[int64]time.Time // the last heartbeat that failed
	told    map[telling]time.Time
}

type telling struct {
	shard int64
	sign  sign
}

func newTwins(o Options) *twins {
	return &twins{
		now: o.Now, log: o.Log, counts: o.Stats,
		last: map[int64]sighting{}, refused: map[int64]time.Time{}, told: map[telling]time.Time{},
	}
}

// see notes a heartbeat and returns the one before it, unless that was too long ago.
func (t *twins) see(shard int64, args *arguments) (now, before sighting, found bool) {
	now = sighting{at: t.now(), address: args.address, jobs: ascending(args.knownJobIDs), hosts: ascending(args.knownHostIDs)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, seen := range t.last {
		if now.at.Sub(seen.at) > twinWindow {
			delete(t.last, id)
		}
	}
	before, found = t.last[shard]
	t.last[shard] = now
	return now, before, found
}

// miss notes which open jobs the last heartbeat of the shard should have known.
func (t *twins) miss(shard int64, jobs []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last[shard]
	last.missed = jobs
	t.last[shard] = last
}

// refuse notes that a heartbeat of the shard failed. A client then leaves known hosts out of its
// next packets, to find out which of them was refused.
func (t *twins) refuse(shard int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[shard] = t.now()
}

func (t *twins) wasRefused(shard int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, found := t.refused[shard]
	return found && t.now().Sub(at) <= twinWindow
}

// warn counts a sign, and logs it unless it did so a short time ago.
func (t *twins) warn(shard masterdb.AfeShard, s sign, facts ...any) {
	if t.counts != nil {
		t.counts.sign(s)
	}
	t.mu.Lock()
	key, now := telling{shard.ID, s}, t.now()
	last, told := t.told[key]
	silent := told && now.Sub(last) <= twinWindow
	if !silent {
		t.told[key] = now
	}
	t.mu.Unlock()
	if !silent {
		t.log.Warn("two databases may be serving as one shard; see that only one of them is alive",
			append([]any{"shard", shard.Hostname, "sign", string(s)}, facts...)...)
	}
}

// seen is what a heartbeat shows of its shard beside the one before it.
type seen struct {
	now, before         sighting
	found               bool // there was one before it
	uploaded            []int64
	goneJobs, goneHosts []int64 // known before and not now
	forgotten           masterdb.ForgottenByShardRow
}

// note notes the heartbeat, once, and says which ids to ask stillOpen for.
func (b *beat) note() {
	if b.noted {
		return
	}
	b.noted = true
	s := &seen{}
	b.seen = s
	s.now, s.before, s.found = b.twins.see(b.shard.ID, b.args)
	if !s.found {
		return
	}
	s.uploaded = ascending(idsIn(b.args.jobs))
	s.goneJobs = missingFrom(missingFrom(s.before.jobs, s.now.jobs), s.uploaded)
	if !b.twins.wasRefused(b.shard.ID) {
		s.goneHosts = missingFrom(s.before.hosts, s.now.hosts)
	}
}

// wants reports whether stillOpen is to be asked.
func (s *seen) wants() bool { return s != nil && len(s.goneJobs)+len(s.goneHosts) > 0 }

// compare looks for signs in what the heartbeat says of its shard, once.
func (b *beat) compare() {
	s := b.seen
	b.seen = nil
	if s == nil || !s.found {
		return
	}
	now, before, gone := s.now, s.before, s.forgotten
	if now.address != before.address {
		b.twins.warn(b.shard, twoAddresses, "address", now.address, "other_address", before.address,
			"other_ago_ms", now.at.Sub(before.at).Milliseconds())
	}
	// A job that has ended here is not known any more, and is uploaded once the scheduler says so.
	// Only a job that comes back open was unknown to another database.
	missed := missingFrom(before.missed, s.uploaded)
	b.twins.miss(b.shard.ID, missingFrom(ascending(append(missed, gone.Jobs...)), now.jobs))
	back := missingFrom(missed, missingFrom(missed, now.jobs))
	if len(back)+len(gone.Hosts) > 0 {
		b.twins.warn(b.shard, forgottenIDs, "jobs", shorten(back), "hosts", shorten(gone.Hosts),
			"known_ago_ms", now.at.Sub(before.at).Milliseconds())
	}
}

// stillOpen asks which of the ids that a shard does not know any more are still its own.
func (b *beat) stillOpen(ctx context.Context, s *seen) pg.Ask {
	return ask(&s.forgotten, "look for forgotten ids", func(q *masterdb.Queries) (masterdb.ForgottenByShardRow, error) {
		return q.ForgottenByShard(ctx, masterdb.ForgottenByShardParams{
			ShardID: b.shard.ID, JobIds: s.goneJobs, HostIds: append([]int64{}, s.goneHosts...),
		})
	})
}

// compareEnds looks for entries that had another end. The entries are locked, and not stored yet.
func (b *beat) compareEnds(ctx context.Context, sent *masterdb.EntryStoreParams) pg.Ask {
	return ask(&b.otherEnds, "compare ends", func(q *masterdb.Queries) ([]int64, error) {
		return q.EntriesWithOtherEnds(ctx, masterdb.EntriesWithOtherEndsParams{
			Ids: sent.Ids, Skipped: sent.Skipped, Nulls: sent.Nulls, Truths: sent.Truths, HostIds: sent.HostIds,
			Statuses: sent.Statuses, StartedOn: sent.StartedOn, FinishedOn: sent.FinishedOn,
		})
	})
}

// tellEnds warns of what compareEnds has found, once it is stored.
func (b *beat) tellEnds() {
	if len(b.otherEnds) > 0 {
		b.twins.warn(b.shard, otherEnds, "entries", shorten(b.otherEnds))
	}
}

// ascending returns the ids sorted. Clients send them so already.
func ascending(ids []int64) []int64 {
	if slices.IsSorted(ids) {
		return ids
	}
	return slices.Sorted(slices.Values(ids))
}

// missingFrom returns the ids that are in one ascending list and not in the other.
func missingFrom(ids, others []int64) []int64 {
	missing := []int64{}
	for _, id := range ids {
		for len(others) > 0 && others[0] < id {
			others = others[1:]
		}
		if len(others) == 0 || others[0] != id {
			missing = append(missing, id)
		}
	}
	return missing
}

// shorten returns a list of ids for the log.
func shorten(ids []int64) string {
	if len(ids) <= shownIDs {
		return fmt.Sprint(ids)
	}
	return fmt.Sprintf("%v and %d more", ids[:shownIDs], len(ids)-shownIDs)
}
