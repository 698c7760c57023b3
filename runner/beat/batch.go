package beat

import "time"

// minBatchBytes is the smallest byte limit that halving leads to. A job that is larger goes alone
// anyway.
const minBatchBytes = 64 << 10

// slowShare divides the deadline: after an answer that took longer than this part of it, uploads do
// not grow. The master has other shards, whose uploads grow too. Without this limit the
// master's queue grew twelve times as long in the test of the incident "growing uploads".
const slowShare = 4

// Batch is how much a packet may hold. It halves when the master cannot cope and grows again by
// success (docs/promises.md, "growing uploads": each upload took longer than its time-out, so the
// next one was larger). The history carries it from one process to the next.
type Batch struct {
	Jobs  int   // finished jobs
	Bytes int64 // of the request's body
}

// Within returns the batch under the limits of the settings. A batch that is not remembered, with
// zero jobs or bytes, becomes the whole limit.
func (b Batch) Within(limit Batch) Batch {
	if b.Jobs <= 0 || b.Bytes <= 0 {
		return limit
	}
	return Batch{Jobs: min(b.Jobs, limit.Jobs), Bytes: min(b.Bytes, limit.Bytes)}
}

// Halved returns the batch after a packet that was too much for the master. It counts from what was
// sent, because half of a limit that no packet reached changes nothing.
func (b Batch) Halved(sent Batch) Batch {
	if sent.Jobs == 0 {
		return b // an idle beat says nothing about uploads
	}
	return Batch{
		Jobs:  max(1, min(b.Jobs, sent.Jobs)/2),
		Bytes: max(minBatchBytes, min(b.Bytes, sent.Bytes)/2),
	}
}

// Grown returns the batch after a packet that was answered: took is the time until the answer, and
// deadline the time that it could have taken.
func (b Batch) Grown(sent, limit Batch, took, deadline time.Duration) Batch {
	if sent.Jobs == 0 || took > deadline/slowShare {
		return b
	}
	return Batch{Jobs: 2 * b.Jobs, Bytes: 2 * b.Bytes}.Within(limit)
}
