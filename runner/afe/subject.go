package afe

import (
	"regexp"
	"strconv"
)

// Subject is the record that a master's message speaks of.
type Subject struct {
	Kind     string // job, entry, host
	ID       int64  // 0: only the hostname is known
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
	{"host", regexp.MustCompile(`does not have access to (\S+)$`)},
}

// Subject is what the message names; empty when it names nothing.
func (e *RPCError) Subject() Subject {
	for _, s := range subjects {
		match := s.message.FindStringSubmatch(e.Message)
		if match == nil {
			continue
		}
		if id, err := strconv.ParseInt(match[1], 10, 64); err == nil {
			return Subject{Kind: s.kind, ID: id}
		}
		return Subject{Kind: s.kind, Hostname: match[1]}
	}
	return Subject{}
}
