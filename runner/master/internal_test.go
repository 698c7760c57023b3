package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"
)

// decode accepts what encoding/json accepts, and reads the same.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"method": "shard_heartbeat", "params": [{"jobs": [{"id": 1, "name": "x\n\u0041", "priority": -0.5e3}]}], "id": "jsonrpc"}`,
		`[]`, `{}`, `"x"`, `null`, ` true `, `[false, [null], {"": 1e400}]`, `{"a": 1, "a": {"b": 2}, "a": [3]}`,
		"\"\xff\"", `"\ud800"`, `"\ud83d\ude00"`, "{\"\xff\": 1, \"\\ud800\": 2}", "\ufeff{}",
		``, `{`, `[1,]`, `{"a": 1,}`, `{"a"}`, `{"a": }`, `[1 2]`, `01`, `{} {}`, `{} "x`, `]`, `"` + "\x01" + `"`, `nul`, `-`,
		strings.Repeat("[", 9999) + strings.Repeat("]", 9999), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var want any
		wantErr := d.Decode(&want)
		if wantErr == nil {
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				wantErr = errors.New("data after the value")
			}
		}
		got, err := newPacket(body).decode()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("decode %.100q: %v, encoding/json: %v", body, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(withMaps(got), want) {
			t.Errorf("decode %.100q: got %.200v, want %.200v", body, got, want)
		}
	})
}

// withMaps returns a value with maps for its objects.
func withMaps(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = withMaps(v[i])
		}
	case object:
		members := v.asMap()
		for name := range members {
			members[name] = withMaps(members[name])
		}
		return members
	}
	return value
}

// text writes strings and times as PostgreSQL's JSON has them after encoding/json has shortened it.
func FuzzText(f *testing.F) {
	for _, value := range []string{"", "plain", "a\nb\"c\\d", "\x00\b\f\r\t\x1f\x7f", "<&>", "é\u2028\u2029\u20ac", "end\n", "\nä<\n"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		written := text{'{'}
		written.string("a", value)
		written.string("b", value)
		want, err := json.Marshal(map[string]string{"a": value, "b": value})
		if err != nil {
			t.Fatal(err)
		}
		// A database holds no text that is not valid UTF-8.
		if got := string(append(written, '}')); utf8.ValidString(value) && got != string(want) {
			t.Errorf("%q: wrote %s, want %s", value, got, want)
		}
	})
}

func TestMoments(t *testing.T) {
	at := func(nanosecond int) pgtype.Timestamp {
		return pgtype.Timestamp{Time: time.Date(2019, 3, 5, 1, 2, 3, nanosecond, time.UTC), Valid: true}
	}
	for want, value := range map[string]pgtype.Timestamp{
		`{"x":null`:                      {},
		`{"x":null `:                     {InfinityModifier: pgtype.Infinity, Valid: true},
		`{"x":"2019-03-05T01:02:03"`:     at(0),
		`{"x":"2019-03-05T01:02:03.100"`: at(100e6),
		`{"x":"2019-03-05T01:02:03.999"`: at(999999e3),
		`{"x":"2019-03-05T01:02:03.000"`: at(1e3),
	} {
		written := text{'{'}
		written.moment("x", value)
		if got := string(written); got != strings.TrimSpace(want) {
			t.Errorf("%+v: wrote %s, want %s", value, got, want)
		}
	}
}
