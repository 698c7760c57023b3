package afe

import (
	"regexp"
	"strconv"
)

// Subject is the record that a master's message speaks of: one with an ID, or a
// host of which only the name is known.
type Subject struct {
	Kind     string // job, entry, host
	ID       int64
	Hostname string
}

// subjects are the messages of the original master, 2015 and 2019, that name a
// record. A newer one may word them otherwise: then nothing is found, which costs
// some beats (runner/shard, probe.go).
var subjects = []struct {
	kind    string
	message *regexp.Regexp
}{
	{"job", regexp.MustCompile(`^Object with pk (\d+) of type <class '[\w.]*\.Job'> does not exist`)},
	{"entry", regexp.MustCompile(`^Object with pk (\d+) of type <class '[\w.]*\.HostQueueEntry'> does not exist`)},
	{"job", regexp.MustCompile(`^Job id=(\d+) is assigned to shard`)},
	{"host", regexp.MustCompile(`^Host matching query does not exist\..*'(?:pk|id)': (\d+)`)},
}

// noAccess ends with a hostname. PostgreSQL is asked for it, and refuses a NUL or
// broken UTF-8, which a message may hold: that would fail every search for the
// record. The original masters take ASCII only.
var noAccess = regexp.MustCompile(`does not have access to ([[:graph:]]+)$`)

// Subject is what the message names; empty when it names nothing.
func (e *RPCError) Subject() Subject {
	for _, s := range subjects {
		match := s.message.FindStringSubmatch(e.Message)
		if match == nil {
			continue
		}
		if id, err := strconv.ParseInt(match[1], 10, 64); err == nil && id > 0 {
			return Subject{Kind: s.kind, ID: id}
		}
	}
	if match := noAccess.FindStringSubmatch(e.Message); match != nil {
		return Subject{Kind: "host", Hostname: match[1]} // digits are a name here too
	}
	return Subject{}
}
