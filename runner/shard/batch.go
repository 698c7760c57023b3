package shard

import (
	"errors"
	"net"
	"net/http"
	"time"

	"shardclient/runner/afe"
)

// minBatchBytes is the smallest byte limit that halving leads to; a job that is
// larger goes alone anyway.
const minBatchBytes = 64 << 10

// Batch is how much a packet may hold. It halves when the master cannot cope and
// grows again by success (docs/decisions.md, 2018: each upload took longer than
// its time-out, so the next one was larger). The history carries it from one
// process to the next.
type Batch struct {
	Jobs  int
	Bytes int64
}

// within is the batch under the limits of the settings; nothing remembered is
// the whole limit.
func (b Batch) within(limit Batch) Batch {
	if b.Jobs <= 0 || b.Bytes <= 0 {
		return limit
	}
	return Batch{min(b.Jobs, limit.Jobs), min(b.Bytes, limit.Bytes)}
}

// halved counts from what was sent: half of a limit that nobody reached changes
// nothing.
func (b Batch) halved(sent Batch) Batch {
	return Batch{max(1, min(b.Jobs, sent.Jobs)/2), max(minBatchBytes, min(b.Bytes, sent.Bytes)/2)}
}

func (b Batch) doubled(limit Batch) Batch {
	return Batch{2 * b.Jobs, 2 * b.Bytes}.within(limit)
}

// slowShare of the deadline is what an answer may take before uploads stop to grow:
// the master has other shards, whose uploads grow too. In the test of 2018's outage
// growth without this let the queue of the master be twelve times as long.
const slowShare = 4

// after is the batch of the next packet. took is how long the answer took, and
// deadline how long it could have.
func (b Batch) after(sent, limit Batch, err error, took, deadline time.Duration) Batch {
	switch {
	case sent.Jobs == 0 || err == nil && took > deadline/slowShare: // an idle beat says nothing about uploads
		return b
	case err == nil:
		return b.doubled(limit)
	case overwhelmed(err):
		return b.halved(sent)
	}
	return b
}

// overwhelmed tells that the request reached the master, or something before it,
// which could not cope with it. A master that nobody listens for is not: its
// backlog is no reason to send less.
func overwhelmed(err error) bool {
	var failure *afe.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Class {
	case afe.Deadline:
		return true
	case afe.HTTPStatus:
		return failure.Status == http.StatusRequestEntityTooLarge || failure.Status >= 500
	case afe.Transport:
		var dial *net.OpError
		return !errors.As(err, &dial) || dial.Op != "dial"
	}
	return false
}

// refused tells that the master, or what stands before it, objects to the
// packet's content rather than to its size or to the moment. An HTTP 500 is the
// original's answer to a character outside ASCII.
func refused(err error) bool {
	var failure *afe.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Class {
	case afe.RPC:
		return true
	case afe.HTTPStatus:
		switch failure.Status {
		case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return false
		}
		return failure.Status >= 400
	}
	return false
}
