package afe

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A body that does not answer a heartbeat acknowledges nothing.
func TestEnvelope(t *testing.T) {
	deep := strings.Repeat("[", 20_000)
	tests := []struct{ body, want string }{ // want "": a result
		{idle, ""},
		{`{"result": {"hosts": []}}`, ""},
		{`{"id": null, "result": {"jobs": []}, "error": null}`, ""},
		{"\n {\"result\": {\"incorrect_host_ids\": 5}}\r\n", ""},
		{`{"result": {}}`, `result has no section of a heartbeat's`}, // nor of a master that stored an upload
		{`{"result": {"Jobs": [], "job_ids": []}, "error": null}`, `result has no section of a heartbeat's`},
		{``, `nothing came`},
		{`  `, `unexpected EOF`},
		{`<html><body>It works!</body></html>`, `invalid character '<' at start of value`},
		{"\x1f\x8b\x08\x00", `invalid character '\x1f' at start of value`},
		{"\ufeff{}", `invalid character '\ufeff' at start of value`},
		{`{"result": {"jobs": [{"id": 1}, {"id"`, `result.jobs[1].id: unexpected EOF`},
		{`{"result": {"jobs": [}}`, `result.jobs[0]: invalid character '}' at start of value`},
		{`{"result": {}} trailer`, `invalid character 't' after top-level value`},
		{`null`, `it has neither result nor error`},
		{`{}`, `it has neither result nor error`},
		{`[]`, `cannot use a list here`},
		{`5`, `cannot use a number here`},
		{`{"error": null, "result": null}`, `result is null, want an object`},
		{`{"result": []}`, `result is a list, want an object`},
		{`{"result": "ok"}`, `result is a string, want an object`},
		{deep, `cannot use a list here`},
		{`{"result": ` + deep, `result` + strings.Repeat(`[0]`, 64) + `[0…: exceeded max depth`},
		{`{"result": {"jobs": ` + deep, `result.jobs` + strings.Repeat(`[0]`, 63) + `…: exceeded max depth`},
	}
	for _, tt := range tests {
		response, err := decode([]byte(tt.body))
		if tt.want == "" {
			if err != nil || response == nil {
				t.Errorf("%.60q: %v", tt.body, err)
			}
			continue
		}
		if err == nil || err.Class != Undecodable || err.Err.Error() != tt.want {
			t.Errorf("%.60q:\ngot  %v\nwant %s", tt.body, err, tt.want)
			continue
		}
		if err.Body != tt.body[:min(len(tt.body), 512)] {
			t.Errorf("%.60q: error keeps %d bytes of the body", tt.body, len(err.Body))
		}
	}
}

// An error of any JSON type is an error: the original sends an object, and null for none.
func TestP6ErrorOfAnOddType(t *testing.T) {
	for value, want := range map[string]string{
		`"out of order"`:                  `unnamed error: "out of order"`,
		`5`:                               `unnamed error: 5`,
		`0`:                               `unnamed error: 0`,
		`false`:                           `unnamed error: false`,
		`""`:                              `unnamed error: ""`,
		`[]`:                              `unnamed error: []`,
		`{}`:                              `unnamed error: {}`,
		`{"name": null, "message": "m"}`:  `unnamed error: {"name": null, "message": "m"}`,
		`{"name": 5}`:                     `unnamed error: {"name": 5}`,
		`{"name": "E", "message": ["m"]}`: `unnamed error: {"name": "E", "message": ["m"]}`,
		`{"name": "E"}`:                   `E: `,
	} {
		alone := `{"result": null, "error": ` + value + `}`
		withResult := strings.Replace(idle, `"error": null`, `"error": `+value, 1)
		for _, body := range []string{alone, withResult} {
			response, err := decode([]byte(body))
			if response != nil || err == nil || err.Class != RPC || err.RPC.Error() != want {
				t.Errorf("%s: %v, %v; want the error %s and nothing else", body, response, err, want)
			}
		}
	}
}

// The JSON library takes 10,000 levels. A value beyond that spoils the object that holds it, and
// nothing at all in a field that is not read.
func TestP6ValueNestedTooDeeply(t *testing.T) {
	lists := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	objects := strings.Repeat(`{"a":`, 100_000) + "0" + strings.Repeat("}", 100_000)
	brackets := strings.Repeat("[", 9_500)
	body := `{"id": ` + lists + `, "result": {
		"suite_keyvals": [{"job_id": 1, "key": "\\\"[", "value": "{\\"}, {"job_id": 2, "value": "` + brackets + `"}],
		"news": ` + objects + `,
		"hosts": [{"id": 1, "hostname": "good"}, {"id": 2, "hostname": ` + lists + `},
			{"id": 3, "hostname": "h", "colour": ` + objects + `},
			` + lists + `, {"id": 4, "hostname": "good"}], "jobs": ` + objects + `}}`
	r := decodeOK(t, []byte(body))
	want := []string{
		"1 <nil>", "2 it is nested more than 9000 levels deep", "3 it is nested more than 9000 levels deep",
		"0 it is nested more than 9000 levels deep", "4 <nil>",
	}
	var got []string
	for _, h := range r.Hosts {
		got = append(got, fmt.Sprintf("%d %v", h.ID, h.Err))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if k := r.SuiteKeyvals; len(k) != 2 || k[0].Err != nil || k[1].Object.Value != brackets ||
		k[0].Object.Key != `\"[` || k[0].Object.Value != `{\` {
		t.Errorf("keyvals with brackets and quotes: %.300s", fmt.Sprint(k))
	}
	if len(r.Malformed) != 1 || r.Malformed[0].Err.Error() != "jobs is an object, want a list" {
		t.Errorf("malformed: %v", r.Malformed)
	}
}

// A value may be as long as the whole answer. Only its text is kept, and only once.
func TestP9HugeValues(t *testing.T) {
	long, digits := strings.Repeat("x", 32<<20), strings.Repeat("7", 1_000_000)
	body := []byte(`{"result": {"jobs": [], "suite_keyvals": [], "hosts": [
		{"id": 1, "hostname": "good"},
		{"id": 2, "hostname": "` + long + `"},
		{"id": 3, "hostname": "h", "protection": ` + digits + `},
		{"id": ` + digits + `, "hostname": "h"},
		{"id": 4, "hostname": "` + long[:1<<20] + `"}]}}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := decodeOK(t, body)
	runtime.ReadMemStats(&after)
	// Envelope, result, section, object and id are each read out of the one before.
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(6*len(body)) {
		t.Errorf("took %d MiB for an answer of %d", took>>20, len(body)>>20)
	}
	want := []string{
		"1 <nil>", fmt.Sprintf("2 it has %d bytes, more than 16777216", 32<<20+len(`{"id": 2, "hostname": ""}`)),
		"3 protection: " + digits[:60] + "…: value out of range", "0 id: " + digits[:60] + "…: value out of range", "4 <nil>",
	}
	var got []string
	for _, h := range r.Hosts {
		got = append(got, fmt.Sprintf("%d %v", h.ID, h.Err))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// A list within an object may be as long as the object, and an element takes some hundred bytes.
func TestP9LongLists(t *testing.T) {
	empty := strings.Repeat("{}, ", 1<<19)
	for _, list := range []string{"hostqueueentry_set", "dependency_labels", "jobkeyval_set"} {
		body := wrap("jobs", `{"id": 7, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "`+list+`": [`+empty+`{}]}, {"id": 8}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := decodeOK(t, body)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: took %d MiB for an answer of %d", list, took>>20, len(body)>>20)
		}
		want := list + ": the list has more than 32768 elements"
		if len(r.Jobs) != 2 || r.Jobs[0].ID != 7 || fmt.Sprint(r.Jobs[0].Err) != want || r.Jobs[1].ID != 8 {
			t.Errorf("%s: %.300s; want job 7 set aside: %s", list, fmt.Sprint(r.Jobs[0].Err), want)
		}
	}
}
