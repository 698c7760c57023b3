package move

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// epoch stands for a time that must be there and is not.
const epoch = "1970-01-01 00:00:00"

const asMySQLWrites = "2006-01-02 15:04:05.999999"

// mended returns a value as PostgreSQL takes it, and what was done; "": nothing.
func mended(c column, was *string) (is *string, what string) {
	otherwise := func(cause string) (*string, string) {
		switch {
		case !c.notNull:
			return nil, cause
		case c.byDefault != "" || c.kind == "text" && c.refersTo == "":
			return &c.byDefault, cause
		case strings.HasPrefix(c.kind, "timestamp"):
			return new(epoch), cause
		}
		return nil, ""
	}
	if was == nil {
		if !c.notNull {
			return nil, ""
		}
		return otherwise("NULL, where a value is wanted")
	}
	switch text := *was; {
	case c.kind == "boolean":
		truth := text != "0" && text != "" && text != "\x00" // the last is a bit
		if text != "0" && text != "1" {
			what = "neither 0 nor 1"
		}
		return new(strconv.FormatBool(truth)), what
	case strings.HasPrefix(c.kind, "timestamp"):
		// The year 0 is one of MySQL's only: here it would be 1 BC.
		if at, err := time.Parse(asMySQLWrites, text); err != nil || at.Year() == 0 {
			return otherwise("a date that is none")
		}
	case c.kind == "integer" || c.kind == "smallint":
		most := int64(math.MaxInt32)
		if c.kind == "smallint" {
			most = math.MaxInt16
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n > most || n < -most-1) {
			return otherwise("a number that is too large")
		}
	case c.kind == "text" || strings.HasPrefix(c.kind, "character"):
		whole := strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", "")
		if whole != text {
			return &whole, "bytes that are no text"
		}
	}
	return was, ""
}

// typed returns a text as COPY takes it.
func typed(c column, text *string) (any, error) {
	if text == nil {
		return nil, nil
	}
	switch {
	case c.kind == "boolean":
		return strconv.ParseBool(*text)
	case c.kind == "bigint" || c.kind == "integer" || c.kind == "smallint":
		return strconv.ParseInt(*text, 10, 64)
	case strings.HasPrefix(c.kind, "timestamp"):
		return time.Parse(asMySQLWrites, *text)
	}
	return *text, nil
}

// unfit names the row of a value that nothing can be made of.
func unfit(name string, c column, text *string) error {
	return &Refusal{
		Cause:  fmt.Sprintf("%s: %s is no %s: %s", name, c.name, c.kind, value(text)),
		Remedy: "mend this row in MySQL, then start it again",
	}
}
