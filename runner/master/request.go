package master

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"shardclient/runner/afe"
)

// request is a call that could be read.
type request struct {
	method string
	params []any
	id     json.RawMessage
}

// parseRequest reads a call. It fails where the original answers with a page.
func parseRequest(p *packet) (*request, *fault) {
	decoded, err := p.decode()
	if err != nil {
		return nil, &fault{name: "ServiceRequestNotTranslatable", message: p.text}
	}
	if !p.isPlain() && outsideASCII(decoded) {
		return nil, &fault{
			name:    "UnicodeEncodeError",
			message: "'ascii' codec can't encode characters: ordinal not in range(128)",
		}
	}
	call, ok := decoded.(object)
	if !ok {
		return nil, &fault{name: "TypeError", message: "list indices must be integers, not str"}
	}
	members := call.asMap()
	id, hasID := members["id"]
	method, hasMethod := members["method"].(string)
	params, hasParams := members["params"].([]any)
	if !hasID || !hasMethod || !hasParams {
		return nil, &fault{name: "BadServiceRequest", message: repr(call)}
	}
	rawID, err := json.Marshal(id)
	if err != nil {
		return nil, &fault{name: "BadServiceRequest", message: repr(call)}
	}
	return &request{method: method, params: params, id: rawID}, nil
}

// arguments of one heartbeat.
type arguments struct {
	user          string
	address       string // of the caller, without its port
	shard         any    // a hostname, or the id as json.Number or bool
	jobs, entries []record
	knownJobIDs   []int64
	knownHostIDs  []int64
	knownStatuses []string // nil for protocol 2015
}

var argumentNames = []string{
	"shard_hostname", "jobs", "hqes", "known_job_ids", "known_host_ids", "known_host_statuses",
}

// parseArguments binds params as Python does: the last one holds the keyword arguments, and those
// before it are positional. Each argument but the shard's name defaults to an empty list.
func parseArguments(params []any, protocol afe.Protocol) (*arguments, error) {
	names := argumentNames
	if protocol == afe.Protocol2015 {
		names = names[:len(names)-1]
	}
	given := map[string]any{}
	if len(params) > 0 {
		last, ok := params[len(params)-1].(object)
		if !ok || len(params)-1 > len(names) {
			return nil, typeError("shard_heartbeat() argument after ** must be a mapping")
		}
		for i, value := range params[:len(params)-1] {
			given[names[i]] = value
		}
		keywords := last.asMap()
		for _, name := range slices.Sorted(maps.Keys(keywords)) {
			if !slices.Contains(names, name) {
				return nil, typeError("shard_heartbeat() got an unexpected keyword argument '%s'", name)
			}
			if _, twice := given[name]; twice {
				return nil, typeError("shard_heartbeat() got multiple values for keyword argument '%s'", name)
			}
			given[name] = keywords[name]
		}
	}
	if _, ok := given["shard_hostname"]; !ok {
		return nil, typeError("shard_heartbeat() takes at least 1 argument (%d given)", len(given))
	}
	return bind(given, protocol)
}

func bind(given map[string]any, protocol afe.Protocol) (*arguments, error) {
	a := &arguments{}
	var err error
	if a.shard, err = asShard(given["shard_hostname"]); err != nil {
		return nil, err
	}
	if a.jobs, err = listOf(given, "jobs", asRecord); err != nil {
		return nil, err
	}
	if a.entries, err = listOf(given, "hqes", asRecord); err != nil {
		return nil, err
	}
	if a.knownJobIDs, err = listOf(given, "known_job_ids", asInteger); err != nil {
		return nil, err
	}
	if a.knownHostIDs, err = listOf(given, "known_host_ids", asInteger); err != nil {
		return nil, err
	}
	if protocol == afe.Protocol2019 {
		a.knownStatuses, err = listOf(given, "known_host_statuses", asText)
	}
	return a, err
}

// listOf returns an argument as a list. It is never nil, which would be NULL in SQL.
func listOf[T any](given map[string]any, name string, convert func(any) (T, error)) ([]T, error) {
	value, sent := given[name]
	if !sent {
		return []T{}, nil
	}
	items, ok := value.([]any)
	if !ok {
		return nil, typeError("%s: want a list, got %s", name, repr(value))
	}
	converted := make([]T, len(items))
	for i, item := range items {
		var err error
		if converted[i], err = convert(item); err != nil {
			return nil, err
		}
	}
	return converted, nil
}

// record is a job or an entry that is uploaded, with its id.
type record struct {
	object
	id int64
}

func asRecord(value any) (record, error) {
	members, ok := value.(object)
	if !ok {
		return record{}, typeError("want an object, got %s", repr(value))
	}
	id, sent := members.get("id")
	if !sent {
		return record{}, &fault{name: "KeyError", message: "'id'"}
	}
	converted, err := asInteger(id)
	return record{members, converted}, err
}

func idsIn(records []record) []int64 {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.id
	}
	return ids
}

// asShard accepts what the original looks a shard up by: its name, or its id. True is an integer in
// Python.
func asShard(value any) (any, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return v, nil
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return v, nil
		}
	}
	return nil, &fault{name: "ValueError", message: fmt.Sprintf(
		"Invalid positional argument: %s (<type '%s'>)", repr(value), pythonType(value))}
}

func asText(value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", typeError("want a string, got %s", repr(value))
	}
	return text, nil
}

func typeError(format string, args ...any) *fault {
	return &fault{name: "TypeError", message: fmt.Sprintf(format, args...)}
}
