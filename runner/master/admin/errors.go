package admin

import (
	"fmt"
	"strconv"
	"strings"
)

// MissingError names objects that do not exist.
type MissingError struct {
	Kind  string // "shard", "label", "host", "ACL group", "job"
	Names []string
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("no such %s: %s", e.Kind, strings.Join(short(e.Names), ", "))
	if e.Kind == "label" || e.Kind == "ACL group" {
		text += "; add it first"
	}
	return text
}

// InvalidError says what is wrong with an object as it was given.
type InvalidError struct {
	Kind, Name string // Name may be empty
	Cause      string
}

func (e *InvalidError) Error() string {
	if e.Name == "" {
		return e.Kind + ": " + e.Cause
	}
	return fmt.Sprintf("%s %s: %s", e.Kind, e.Name, e.Cause)
}

// LabelOwnerError means that a label does not belong to the shard Want, but to the shard Owner, or
// to none if Owner is empty.
type LabelOwnerError struct{ Label, Owner, Want string }

func (e *LabelOwnerError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("label %s does not belong to shard %s, nor to any other", e.Label, e.Want)
	}
	return fmt.Sprintf("label %s belongs to shard %s, not to %s; remove it there first", e.Label, e.Owner, e.Want)
}

// LabelUsedError says who still uses a label that was to be removed.
type LabelUsedError struct {
	Label           string
	Shard           string
	Hosts, OpenJobs int64
}

func (e *LabelUsedError) Error() string {
	var users []string
	if e.Shard != "" {
		users = append(users, "shard "+e.Shard)
	}
	if e.Hosts > 0 {
		users = append(users, fmt.Sprintf("hosts (%d)", e.Hosts))
	}
	if e.OpenJobs > 0 {
		users = append(users, fmt.Sprintf("open jobs (%d)", e.OpenJobs))
	}
	return fmt.Sprintf("label %s is in use by %s; take it from them first", e.Label, strings.Join(users, ", "))
}

// TornError names a host or a job that would belong to two shards. They would take it from each
// other with every heartbeat.
type TornError struct {
	Kind, Name string
	Shards     [2]string
}

func (e *TornError) Error() string {
	return fmt.Sprintf("%s %s would belong to two shards, %s and %s", e.Kind, e.Name, e.Shards[0], e.Shards[1])
}

// maxNames is how many names of a list are printed in an error.
const maxNames = 10

func short(names []string) []string {
	if len(names) <= maxNames {
		return names
	}
	return append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", len(names)-maxNames))
}

// missing returns a [*MissingError] unless every name was found.
func missing[T any](kind string, names []string, found map[string]T) error {
	var absent []string
	for _, name := range names {
		if _, ok := found[name]; !ok {
			absent = append(absent, name)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	return &MissingError{Kind: kind, Names: absent}
}

// missingIDs does for jobs what missing does for names.
func missingIDs(ids, found []int64) error {
	have := map[string]bool{}
	for _, id := range found {
		have[strconv.FormatInt(id, 10)] = true
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.FormatInt(id, 10)
	}
	return missing("job", names, have)
}
