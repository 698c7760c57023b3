package objects

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"shardclient/runner/answer"
)

// What a master writes is read the quick way.
func TestRecordedObjectsAreReadQuickly(t *testing.T) {
	for section, texts := range recorded(t) {
		if len(texts) < 3 {
			t.Errorf("%d objects of %s", len(texts), section)
		}
		for _, text := range texts {
			read := quickly(&quick{}, text, new(Job))
			switch section {
			case "hosts":
				read = quickly(&quick{}, text, new(Host))
			case "suite_keyvals":
				read = quickly(&quick{}, text, new(Keyval))
			}
			if !read {
				t.Errorf("%s: not so %s", section, text)
			}
		}
	}
}

// No field is left out, nor read as another kind of value, whatever its default is.
func TestEveryFieldIsReadQuickly(t *testing.T) {
	for _, flag := range []bool{true, false} {
		readWhole[Host](t, flag)
		readWhole[Job](t, flag)
		readWhole[Keyval](t, flag)
	}
}

func readWhole[T any](t *testing.T, flag bool) {
	text, err := json.Marshal(sample(reflect.TypeFor[T](), flag))
	if err != nil {
		t.Fatal(err)
	}
	var read T
	if !quickly(&quick{}, text, &read) {
		t.Errorf("not read quickly: %s", text)
	}
	agree[T](t, text)
}

// sample returns a value of a type as JSON has it, with all that it may hold.
func sample(t reflect.Type, flag bool) any {
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[Time]():
		return "2019-03-15T11:30:15.25"
	case kind == reflect.Bool:
		return flag
	case kind == reflect.Int32 || kind == reflect.Int64:
		return 7
	case kind == reflect.String:
		return "some \n text"
	case kind == reflect.Pointer:
		return sample(t.Elem(), flag)
	case kind == reflect.Slice:
		return []any{sample(t.Elem(), flag), sample(t.Elem(), flag)}
	case strings.HasPrefix(t.Name(), "Maybe["):
		return sample(t.Field(0).Type, flag)
	}
	members := map[string]any{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		members[name] = sample(t.Field(i).Type, flag)
	}
	return members
}

// Fields that we do not know are no reason to read an object strictly, whatever they hold, as long
// as they are not very many.
func TestUnknownFieldsAreReadQuickly(t *testing.T) {
	field := `"new": {"a": {"b": 1, "c": "\u00e9"}, "c": [1.5e3, null, true, {"b": "x", "d": []}], "b": {}}, "b": -0`
	for n, quickly := range map[int]bool{1: true, maxNames - 3: true, maxNames - 2: false} {
		text := `{"id": 1, ` + field + `, "shard": null`
		for i := range n {
			text += fmt.Sprintf(`, "other%d": false`, i)
		}
		if read := isQuick(text + `, "job_id": 2}`); read != quickly {
			t.Errorf("%d more fields: read quickly: %t", n, read)
		}
	}
}

func isQuick(text string) bool { return quickly(&quick{}, jsontext.Value(text), new(Job)) }

// One who reads many objects keeps none of them, wherever in a list or after however many names
// that we do not know each had its long text (P9).
func TestNoObjectStaysWithItsReader(t *testing.T) {
	const objects, long = maxRoom, 1 << 17
	for name, of := range map[string]func(n int) string{
		"lists": func(n int) string {
			short := strings.Repeat(`{"attribute": "a", "value": "x"}, `, n)
			return `"hostattribute_set": [` + short + `{"attribute": "a", "value": "` + strings.Repeat("x", long) + `"}]`
		},
		"a list that is broken": func(n int) string {
			short := strings.Repeat(`{"attribute": "a", "value": "x"}, `, n)
			return `"hostattribute_set": [` + short + `{"attribute": "a", "value": "` + strings.Repeat("x", long) + `"}}`
		},
		"names": func(n int) string {
			text := `"lock_reason": "` + strings.Repeat("x", long) + `"`
			for i := range n {
				text += fmt.Sprintf(`, "new%d": 1`, i)
			}
			return text
		},
	} {
		t.Run(name, func(t *testing.T) {
			reader := &Reader[Host]{}
			before := heap()
			for n := range objects {
				reader.Read(jsontext.Value(`{"id": 1, "hostname": "h", ` + of(objects-1-n) + `}`))
			}
			if kept := heap() - before; kept > objects/4*long {
				t.Errorf("the reader of %d objects keeps %d kB", objects, kept>>10)
			}
			runtime.KeepAlive(reader)
		})
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whatever is read the quick way, is the same when it is read strictly.
func FuzzQuick(f *testing.F) {
	for _, texts := range recorded(f) {
		for _, text := range texts[:min(len(texts), 5)] {
			f.Add([]byte(text))
			for old, other := range map[string]string{ // one fault each
				`"id": `: `"id": 1.5e`, `"name"`: `"name": "twice", "name"`, "false": "0", "true": "1", "null": `"x"`,
				`"owner": "`: `"owner": "\u0000\n\ud83d\ude00`, `": [`: `": [{}, `, `"hostname": "`: "\"hostname\": \"\xff",
				`}`: `, "new": {"a": 1, "a": 2}}`, "T": " ", `2019`: `0000`, `"key"`: `"k\u0065y"`,
			} {
				f.Add([]byte(strings.Replace(string(text), old, other, 1)))
			}
		}
	}
	for _, text := range oddObjects() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		agree[Host](t, text)
		agree[Job](t, text)
		agree[Keyval](t, text)
		agree[int64](t, text)
	})
}

// oddObjects are objects with everything that one of the two ways might take for something else.
func oddObjects() (texts []string) {
	job := func(more string) string {
		return `{"id": 1, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15"` + more + `}`
	}
	for _, value := range []string{
		"0", "1", "-0", "-1", "00", "01", "-", "--1", "+1", "1.0", "1e3", "1E0", "0.0", ".5", "5.", "1.5e-3", "0x1", "NaN", "Infinity",
		"2147483647", "2147483648", "-2147483648", "-2147483649", "999999999999999999", "1000000000000000000",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", strings.Repeat("9", 400),
		"true", "false", "null", "tru", "truefalse", "True", "nul", "nulll", "{}", "[]", "[[]]", "[null]", "[{}]", "[{},]", "[,]", "[1 2]",
		`""`, `"x"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\x"`, `"\u12"`, `"\`, `"\"`, `"` + "\x00" + `"`, "\"\n\"", "\"\x7f\"",
		"\"\xff\"", "\"\xed\xa0\x80\"", "\"\u00a0\u2028\"", "\u00a0 1", "\v1", "\ufeff1", `"2019-03-15 11:30:15.1234567"`, `"0000-01-01T00:00:00"`,
		`{"a": 1, "a": 2}`, `{"a": {"b": 1, "b": 2}}`, `[{"a": 1, "a": 2}]`, `{"a": 1, "\u0061": 2}`, `{"": 1, "": 2}`, `{"a" 1}`, `{"a":}`, `{a: 1}`, `{,}`,
		`{"a": 1, "b": [{"a": 1}, {"a": 1}]}`, `{"id": 1, "name": "l", "id": 1}`, `[{"id": 1, "status": "s", "status": "s"}]`,
		`[{"id": 1, "name": "l", "new": 1, "new": 1}]`, `[{"id": 1}, {"id": 2, "name": "l"}]`, `{"id": 3, "hostname": "s"}`,
	} {
		for _, name := range []string{
			"id", "owner", "priority", "run_reset", "created_on", "control_file", "require_ssp", "shard", "dependency_labels",
			"hostqueueentry_set", "jobkeyval_set", "unknown",
		} {
			texts = append(texts, job(`, "new": 1, "`+name+`": `+value), `{"`+name+`": `+value+`, "id": 1}`)
		}
		texts = append(texts, value, "["+value+"]", " \t\r\n"+value+"\n", job(`, "hostqueueentry_set": [{"id": 1, "status": "s", "host_id": `+value+`}]`))
	}
	for _, deep := range []int{maxOpen - 2, maxOpen - 1, maxOpen, 9_999, 10_000, 20_000} {
		texts = append(texts, job(`, "new": `+strings.Repeat("[", deep)+strings.Repeat("]", deep)), strings.Repeat("[", deep),
			job(`, "new": `+strings.Repeat(`{"a": `, deep)+"1"+strings.Repeat("}", deep)))
	}
	many := ""
	for i := range maxNames + 2 {
		many += fmt.Sprintf(`, "new%d": %d`, i, i)
		texts = append(texts, job(many))
	}
	whole := job(`, "shard": {"id": 1, "hostname": "s"}, "jobkeyval_set": [{"key": "k", "value": "v\n"}], "require_ssp": null`)
	for i := range whole {
		texts = append(texts, whole[:i], whole[:i]+" "+whole[i:], whole[:i]+"\x00"+whole[i:], whole+whole[i:])
	}
	return append(texts, job(`, "hostqueueentry_set": [{}`+strings.Repeat(", {}", maxNested)+"]"))
}

// agree compares what is read by one that has read nothing before, and by one that has read all
// that came before: it remembers strings, and the order of names.
func agree[T any](t *testing.T, text []byte) {
	before := used[reflect.TypeFor[T]()]
	if before == nil {
		before = &quick{}
		used[reflect.TypeFor[T]()] = before
	}
	var fast, later, slow T
	read := quickly(&quick{}, text, &fast)
	if again := quickly(before, text, &later); again != read || !reflect.DeepEqual(later, fast) {
		t.Errorf("%s is read (%t) as %+v, and later (%t) as %+v", text, read, fast, again, later)
	}
	if !read {
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Errorf("%s is not read, and leaves something:\n%s", text, diff)
		}
		return
	}
	if err := readStrictly(text, &slow); err != nil {
		t.Errorf("%s is read as a %T, although %v", text, fast, err)
	}
	if diff := cmp.Diff(slow, fast); diff != "" {
		t.Errorf("%s (-strict +quick):\n%s", text, diff)
	}
}

var used = map[reflect.Type]*quick{}

// recorded returns the objects of a real master's first answer, by section.
func recorded(t testing.TB) map[string][]jsontext.Value {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("../lab/replay/testdata/wire/2019/large_first_heartbeat.response.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := answer.Read(bytes.NewReader(body), 0, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	texts := map[string][]jsontext.Value{}
	for _, section := range []string{"hosts", "jobs", "suite_keyvals"} {
		for _, p := range a.Sections[section].Places {
			text, err := a.Text(p, p.Size())
			if err != nil {
				t.Fatal(err)
			}
			texts[section] = append(texts[section], text)
		}
	}
	return texts
}
