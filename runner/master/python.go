package master

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// repr returns a JSON value as Python 2 prints it, for messages. Keys are sorted, since a Python 2
// dict has no order to keep.
func repr(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case string:
		return reprString(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = repr(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case object:
		var items []string
		members := v.asMap()
		for _, key := range slices.Sorted(maps.Keys(members)) {
			items = append(items, reprString(key)+": "+repr(members[key]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(value)
}

// pythonType returns the name of the type that Python 2 gives a JSON value.
func pythonType(value any) string {
	switch value.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case json.Number:
		return "float" // or an integer that is too large, which nobody sends
	case string:
		return "str"
	case []any:
		return "list"
	}
	return "dict"
}

func reprString(s string) string {
	quoted := strconv.QuoteToASCII(s)
	inner := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return `"` + inner + `"`
	}
	return "'" + strings.ReplaceAll(inner, "'", `\'`) + "'"
}

// outsideASCII reports whether a value holds a string, as key or value, that Python 2's str() would
// refuse.
func outsideASCII(value any) bool {
	switch v := value.(type) {
	case string:
		for i := range len(v) {
			if v[i] >= utf8.RuneSelf {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, outsideASCII)
	case object:
		return slices.ContainsFunc(v, func(m member) bool { return outsideASCII(m.name) || outsideASCII(m.value) })
	}
	return false
}
