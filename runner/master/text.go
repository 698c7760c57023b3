package master

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// text is JSON that is being written. Reflection would take ten times as long, which is most of the
// time of a first answer.
type text []byte

// name begins a member, after the ones before it.
func (t *text) name(name string) {
	if last := (*t)[len(*t)-1]; last != '{' {
		*t = append(*t, ',')
	}
	*t = append(append(append(*t, '"'), name...), `":`...)
}

func (t *text) integer(name string, value int64) {
	t.name(name)
	*t = strconv.AppendInt(*t, value, 10)
}

func (t *text) boolean(name string, value bool) {
	t.name(name)
	*t = strconv.AppendBool(*t, value)
}

// escapes are the bytes that a string may not hold as they are, or that encoding/json escapes for
// the sake of HTML and JavaScript: U+2028 and U+2029 begin with the last one.
var escapes = func() (table [256]bool) {
	for c := range ' ' {
		table[c] = true
	}
	for _, c := range []byte("\"\\<>&\xe2") {
		table[c] = true
	}
	return table
}()

func (t *text) string(name, value string) {
	t.name(name)
	*t = append(*t, '"')
	begin := 0
	for i := range len(value) {
		c := value[i]
		if !escapes[c] {
			continue
		}
		*t = append(*t, value[begin:i]...)
		begin = i + 1
		switch c {
		case '\n':
			*t = append(*t, `\n`...)
		case '"', '\\':
			*t = append(*t, '\\', c)
		default:
			rest, _ := json.Marshal(value[i:]) // any string can be
			*t = append(*t, rest[1:]...)
			return
		}
	}
	*t = append(append(*t, value[begin:]...), '"')
}

func (t *text) moment(name string, value pgtype.Timestamp) {
	t.name(name)
	switch {
	case !value.Valid || value.InfinityModifier != pgtype.Finite:
		*t = append(*t, "null"...)
	case value.Time.Nanosecond() == 0:
		*t = value.Time.AppendFormat(*t, `"`+time.DateOnly+`T`+time.TimeOnly+`"`)
	default:
		*t = value.Time.AppendFormat(*t, `"`+time.DateOnly+`T`+time.TimeOnly+`.000"`)
	}
}

// list writes a member that is a list of objects.
func list[T any](t *text, name string, items []T, write func(T)) {
	t.name(name)
	*t = append(*t, '[')
	for i, item := range items {
		if i > 0 {
			*t = append(*t, ',')
		}
		write(item)
	}
	*t = append(*t, ']')
}

// orNull writes a member that may have no value.
func orNull[T any](t *text, name string, value *T, write func(string, T)) {
	if value != nil {
		write(name, *value)
		return
	}
	t.name(name)
	*t = append(*t, "null"...)
}
