package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
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
		got, err := decode(body)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("decode %.100q: %v, encoding/json: %v", body, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(plain(got), want) {
			t.Errorf("decode %.100q: got %.200v, want %.200v", body, got, want)
		}
	})
}

// plain returns a value with maps for its objects.
func plain(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case object:
		members := v.asMap()
		for name := range members {
			members[name] = plain(members[name])
		}
		return members
	}
	return value
}
