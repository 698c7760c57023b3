package beat

import "time"

// minBatchBytes is the smallest byte limit that halving leads to; a job that is larger goes alone
// anyway.
const minBatchBytes = 64 << 10

// slowShare of the deadline is what an answer may take before uploads stop to grow: the master has
// other shards, whose uploads grow too. In the test of 2018's outage growth without this let the
// queue of the master be twelve times as long.
const slowShare = 4

// Batch is how much a packet may hold. It halves when the master cannot cope and grows again by
// success (docs/decisions.md, 2018: each upload took longer than its time-out, so the next one was
// larger). The history carries it from one process to the next.
type Batch struct {
	Jobs  int
	Bytes int64
}

// Within returns the batch under the limits of the settings; nothing remembered is the whole limit.
func (b Batch) Within(limit Batch) Batch {
	if b.Jobs <= 0 || b.Bytes <= 0 {
		return limit
	}
	return Batch{min(b.Jobs, limit.Jobs), min(b.Bytes, limit.Bytes)}
}

// Halved returns the batch after a packet that the master could not cope with. It counts from what
// was sent: half of a limit that nobody reached changes nothing.
func (b Batch) Halved(sent Batch) Batch {
	if sent.Jobs == 0 {
		return b // an idle beat says nothing about uploads
	}
	return Batch{max(1, min(b.Jobs, sent.Jobs)/2), max(minBatchBytes, min(b.Bytes, sent.Bytes)/2)}
}

// Grown returns the batch after a packet that was answered: took is how long that needed, and
// deadline how long it could have.
func (b Batch) Grown(sent, limit Batch, took, deadline time.Duration) Batch {
	if sent.Jobs == 0 || took > deadline/slowShare {
		return b
	}
	return Batch{2 * b.Jobs, 2 * b.Bytes}.Within(limit)
}
