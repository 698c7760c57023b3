package objects

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	f.Fuzz(func(t *testing.T, text []byte) {
		agree[Host](t, text)
		agree[Job](t, text)
		agree[Keyval](t, text)
		agree[int64](t, text)
	})
}

func agree[T any](t *testing.T, text []byte) {
	var fast, slow T
	if !quickly(&quick{}, text, &fast) {
		return
	}
	if err := readStrictly(text, &slow); err != nil {
		t.Errorf("%s is read as a %T, although %v", text, fast, err)
	}
	if diff := cmp.Diff(slow, fast); diff != "" {
		t.Errorf("%s (-strict +quick):\n%s", text, diff)
	}
}

// recorded returns the objects of a real master's first answer, by section.
func recorded(t testing.TB) map[string][]jsontext.Value {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("../lab/replay/testdata/wire/2019/large_first_heartbeat.response.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := answer.Read(bytes.NewReader(body), t.TempDir())
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
