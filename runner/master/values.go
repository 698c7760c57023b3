package master

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The columns of a record whose values Django converts, by kind. All others hold text, which is
// stored as it is.
var (
	integers = map[string][]string{
		"Job": {
			"priority", "control_type", "synch_count", "timeout", "timeout_mins", "max_runtime_hrs", "max_runtime_mins",
			"reboot_before", "reboot_after", "test_retry", "drone_set_id", "parameterized_job_id", "parent_job_id", "shard_id",
		},
		"HostQueueEntry": {"job_id", "host_id", "atomic_group_id"},
	}
	booleans = map[string][]string{
		"Job":            {"run_verify", "run_reset", "parse_failed_repair", "require_ssp"},
		"HostQueueEntry": {"active", "complete", "deleted", "aborted"},
	}
	times = []string{"created_on", "started_on", "finished_on"}
)

// converted returns a copy of a record with the values that Django would store: 7.9 is 7 in an
// integer column, and a date is its midnight. PostgreSQL by itself refuses the first. What cannot
// be converted fails the call, as in the original.
func converted(record map[string]any, kind string) (map[string]any, error) {
	copied := make(map[string]any, len(record))
	for name, value := range record {
		var err error
		switch {
		case value == nil:
		case name == "id" || slices.Contains(integers[kind], name):
			value, err = asInteger(value)
		case slices.Contains(booleans[kind], name):
			value = truth(value)
		case slices.Contains(times, name):
			value, err = asTime(value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s %d: %w", name, kind, recordID(record), err)
		}
		copied[name] = value
	}
	return copied, nil
}

// asInteger converts as int() of Python does: a number loses its fraction, a text may have spaces
// around its digits.
func asInteger(value any) (int64, error) {
	switch v := value.(type) {
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case json.Number:
		if integer, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return integer, nil
		}
		number, err := v.Float64()
		if err != nil || math.Abs(number) >= math.MaxInt64 {
			return 0, &fault{name: "OverflowError", message: "integer out of range: " + v.String()}
		}
		return int64(number), nil
	case string:
		integer, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return 0, &fault{name: "ValueError", message: "invalid literal for int() with base 10: " + reprString(v)}
		}
		return integer, nil
	}
	return 0, typeError("int() argument must be a string or a number, not %s", repr(value))
}

// truth converts as bool() of Python does.
func truth(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case json.Number:
		number, err := v.Float64()
		return err != nil || number != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return value != nil
}

// moment matches the times that Django reads: a date, or a date and a time with up to a microsecond
// of it kept.
var moment = regexp.MustCompile(
	`^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d*)?)?)?$`)

// asTime returns a time as PostgreSQL reads it. A time with a zone is refused, as by the original's
// database.
func asTime(value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", typeError("expected string or buffer, got %s", repr(value))
	}
	refused := &fault{name: "ValueError", message: reprString(text) + " is not a time without a zone"}
	parts := moment.FindStringSubmatch(text)
	if parts == nil {
		return "", refused
	}
	var fields [6]int
	for i := range fields {
		fields[i], _ = strconv.Atoi(parts[i+1]) // digits, or nothing, which is 0
	}
	microseconds, _ := strconv.Atoi((parts[7] + "000000")[:6])
	at := time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5],
		microseconds*int(time.Microsecond), time.UTC)
	// What Go has carried into the next unit, such as the 31st of June, is no time.
	read := [6]int{at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), at.Second()}
	if read != fields || fields[0] == 0 {
		return "", refused
	}
	return at.Format("2006-01-02T15:04:05.000000"), nil
}
