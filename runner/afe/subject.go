package afe

import (
	"regexp"
	"strconv"
	"strings"
)

// Subject is the record that a master's message names: by its ID, or a host by its name alone.
type Subject struct {
	Kind     string // job, entry, host; "": no record is named
	ID       int64  // 0: only the name is known
	Hostname string // "": the id is known
}

// subjects are the messages of the original master, 2015 and 2019, that name a record. A newer
// master may word them otherwise: then nothing is found, and the search for the record takes a few
// beats more (runner/search).
var subjects = []struct {
	kind    string
	message *regexp.Regexp
}{
	{"job", regexp.MustCompile(`^Object with pk (\d+) of type <class '[\w.]*\.Job'> does not exist`)},
	{"entry", regexp.MustCompile(`^Object with pk (\d+) of type <class '[\w.]*\.HostQueueEntry'> does not exist`)},
	{"job", regexp.MustCompile(`^Job id=(\d+) is assigned to shard`)},
	{"host", regexp.MustCompile(`^Host matching query does not exist\..*'(?:pk|id)': (\d+)`)},
}

// noAccess matches a message that ends with a hostname. The name is looked up in PostgreSQL, which
// refuses a NUL or broken UTF-8: such a message would fail every search for the record. The
// original masters take ASCII only.
var noAccess = regexp.MustCompile(`does not have access to ([[:graph:]]+)$`)

// Subject returns the record that the message names; the zero value when it names none.
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

// ofTheCall reports whether the exception is about the shard or the method, which every packet
// names, and about no record.
func (e *RPCError) ofTheCall() bool {
	return e.Name == "ServiceMethodNotFound" ||
		strings.HasPrefix(e.Message, "Shard matching query does not exist") ||
		strings.HasPrefix(e.Message, "get() returned more than one Shard ")
}
