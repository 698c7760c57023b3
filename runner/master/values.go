package master

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

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
	case object:
		return len(v) > 0
	}
	return value != nil
}

// moment matches the times that Django reads: a date, or a date and a time with up to a microsecond
// of it kept.
var moment = regexp.MustCompile(
	`^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d*)?)?)?$`)

// asTime returns a time. A time with a zone is refused, as by the original's database.
func asTime(value any) (time.Time, error) {
	text, ok := value.(string)
	if !ok {
		return time.Time{}, typeError("expected string or buffer, got %s", repr(value))
	}
	// What clients send takes a tenth of the time this way.
	if at, err := time.Parse("2006-01-02T15:04:05", text); err == nil && at.Year() > 0 && !strings.Contains(text, ",") {
		return at.Truncate(time.Microsecond), nil
	}
	refused := &fault{name: "ValueError", message: reprString(text) + " is not a time without a zone"}
	parts := moment.FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}, refused
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
		return time.Time{}, refused
	}
	return at, nil
}
