package afe

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"shardclient/runner/answer"
	"shardclient/runner/objects"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fuzzObjects is answer.MaxObjects while fuzzing, so that short inputs reach it.
const fuzzObjects = 500

// wireTime writes a Time as a master does; the client itself sends none.
var wireTime = json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, t objects.Time) error {
	return enc.WriteToken(jsontext.String(t.Format("2006-01-02T15:04:05.999999")))
}))

// FuzzDecode checks that any answer becomes one clear failure, or a response whose objects are each
// whole or set aside with a reason (P6), and that neither takes more memory than the answer's size
// allows (P9).
func FuzzDecode(f *testing.F) {
	defer func(limit int) { answer.MaxObjects = limit }(answer.MaxObjects)
	answer.MaxObjects = fuzzObjects
	for _, body := range append(recordedBodies(f), hostileBodies()...) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		response, failed := decode(body)
		if before != string(body) {
			t.Error("the body was changed")
		}
		if failed != nil {
			checkFailure(t, body, response, failed)
			return
		}
		if response == nil {
			t.Fatal("neither a response nor a failure")
		}
		kept := checkObjects(t, body, "hosts", response.Hosts)
		kept += checkObjects(t, body, "jobs", response.Jobs)
		kept += checkObjects(t, body, "suite_keyvals", response.SuiteKeyvals)
		if kept > len(body) {
			t.Errorf("objects keep %d bytes of an answer of %d", kept, len(body))
		}
		checkMalformed(t, body, response)
	})
}

func checkFailure(t *testing.T, body []byte, response *whole, failed *Error) {
	if response != nil || failed.Class != RPC && failed.Class != Undecodable {
		t.Fatalf("%s with the response %v", failed.Class, response)
	}
	if (failed.Class == RPC) != (failed.RPC != nil) || (failed.Class == Undecodable) != (failed.Err != nil) {
		t.Errorf("%s: RPC %v, cause %v", failed.Class, failed.RPC, failed.Err)
	}
	if rpc := failed.RPC; rpc != nil {
		// A byte that is not UTF-8 becomes the three bytes of U+FFFD.
		if kept := len(rpc.Name) + len(rpc.Message) + len(rpc.Traceback); rpc.Name == "" || kept > len("unnamed error")+3*len(body) {
			t.Errorf("%q keeps %d bytes of an answer of %d", rpc.Name, kept, len(body))
		}
		checkSubject(t, rpc)
	}
	if len(failed.Body) > maxErrorBody {
		t.Errorf("%d bytes of the body", len(failed.Body))
	}
	// The sentence, the cause, and the part of the answer that is repeated.
	if text := failed.Error(); len(text) > 100+maxErrorMessage+maxErrorBody {
		t.Errorf("an error of %d bytes: %s", len(text), text)
	}
}

// checkObjects returns how many bytes of the answer the objects keep.
func checkObjects[T any](t *testing.T, body []byte, section string, objects []told[T]) (kept int) {
	if sent := min(elements(t, body, section), fuzzObjects); jsontext.Value(body).IsValid(answer.Lenient) && len(objects) != sent {
		t.Errorf("%s: %d objects of %d", section, len(objects), sent)
	}
	for _, o := range objects {
		kept += len(o.Raw)
		again := decodeAlone[T](t, section, o.Raw)
		if diff := difference(o, again); diff != "" {
			t.Errorf("%s: %s is another object when it comes alone:\n%s", section, o.Raw, diff)
		}
		if o.ID < 0 {
			t.Errorf("%s: %s has the id %d", section, o.Raw, o.ID)
		}
		if o.Err != nil {
			checkReason(t, section, o.Raw, o.Err)
			if !cmp.Equal(o.Object, *new(T)) {
				t.Errorf("%s: %s is set aside and still has %+v", section, o.Raw, o.Object)
			}
			continue
		}
		checkWhole(t, section, o)
	}
	return kept
}

// noDefault are the fields that an object has exactly when the master sent them.
var noDefault = map[string][]string{
	"hosts":         {"id", "hostname", "invalid", "hostattribute_set", "shard"},
	"jobs":          {"id", "owner", "name", "created_on", "jobkeyval_set", "shard"},
	"suite_keyvals": {"job_id"},
}

// checkWhole fails the test when a field without a default is missing, when PostgreSQL could not
// store the object, or when it does not come back from the wire as it was.
func checkWhole[T any](t *testing.T, section string, o told[T]) {
	raw, err := json.Marshal(&o.Object, wireTime)
	if err != nil {
		t.Fatalf("%s: encode %s: %v", section, o.Raw, err)
	}
	before, after := fields(t, o.Raw), fields(t, raw)
	for _, name := range noDefault[section] {
		if (before[name] == nil) != (after[name] == nil) {
			t.Errorf("%s: %s of %s became %s", section, name, o.Raw, raw)
		}
	}
	if bytes.Contains(raw, []byte(`\u0000`)) {
		t.Errorf("%s: %s holds a NUL", section, raw)
	}
	if job, ok := any(o.Object).(objects.Job); ok {
		entries := map[int64]objects.Entry{}
		for _, entry := range job.Entries {
			entries[entry.ID] = entry
		}
		if len(entries) != len(job.Entries) {
			t.Errorf("%s: %s holds an entry twice", section, raw)
		}
	}
	again := decodeAlone[T](t, section, raw)
	if again.Err != nil {
		t.Fatalf("%s: %s was taken for whole, but again as %s: %v", section, o.Raw, raw, again.Err)
	}
	if diff := cmp.Diff(o.Object, again.Object, cmpopts.EquateEmpty()); diff != "" || again.ID != o.ID {
		t.Errorf("%s: %s comes back from %s with id %d, another object:\n%s", section, o.Raw, raw, again.ID, diff)
	}
}

func fields(t *testing.T, object jsontext.Value) (values map[string]jsontext.Value) {
	if err := json.Unmarshal(object, &values); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return values
}

func checkMalformed(t *testing.T, body []byte, r *whole) {
	kept := 0
	for _, m := range r.Malformed {
		kept += len(m.Raw)
		if m.Section == "" {
			t.Errorf("%s belongs to no section", m.Raw)
		}
		checkReason(t, m.Section, m.Raw, m.Err)
	}
	// A section with too many bad elements is kept whole and element by element.
	if kept > 2*len(body) || len(r.Malformed) > fuzzObjects+4 {
		t.Errorf("%d malformed parts keep %d bytes of an answer of %d", len(r.Malformed), kept, len(body))
	}
	for _, id := range r.IncorrectHostIDs {
		if id <= 0 {
			t.Errorf("incorrect host %d", id)
		}
	}
}

// checkReason fails the test unless the reason is a short sentence that comes with its text.
func checkReason(t *testing.T, section string, raw jsontext.Value, err error) {
	if text := err.Error(); text == "" || len(text) > maxErrorMessage || !utf8.ValidString(text) || len(raw) == 0 {
		t.Errorf("%s: a reason of %d bytes for %d of text: %q", section, len(text), len(raw), text)
	}
}

// elements counts the objects of a section, in another way than decode does.
func elements(t *testing.T, body []byte, section string) int {
	var envelope struct {
		Result map[string]jsontext.Value `json:"result"`
	}
	if err := json.Unmarshal(body, &envelope, answer.Lenient); err != nil {
		return 0 // it was mended
	}
	if envelope.Result == nil {
		t.Fatal("a response without a result")
	}
	var list []jsontext.Value
	if json.Unmarshal(envelope.Result[section], &list, answer.Lenient) != nil {
		return 0
	}
	return len(list)
}

func decodeAlone[T any](t *testing.T, section string, object []byte) told[T] {
	r, failed := decode(wrap(section, string(object)))
	if failed != nil {
		t.Fatalf("%s: %s alone: %v", section, object, failed)
	}
	for _, list := range []any{r.Hosts, r.Jobs, r.SuiteKeyvals} {
		if objects, ok := list.([]told[T]); ok && len(objects) == 1 {
			return objects[0]
		}
	}
	t.Fatalf("%s: %s alone is %+v", section, object, r)
	return told[T]{}
}

// difference is empty if two objects are the same. Most are so in every respect, which reflect sees
// in a fraction of the time.
func difference[T any](a, b told[T]) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmp.Comparer(sameReason))
}

func sameReason(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
}

// recordedBodies are the answers of the original masters, without the large one.
func recordedBodies(f testing.TB) (bodies [][]byte) {
	for _, raw := range recorded(f, "*.response.http") {
		_, body := recordedResponse(f, raw)
		bodies = append(bodies, body)
	}
	return bodies
}

// hostileBodies are answers that no sane master gives.
func hostileBodies() (bodies [][]byte) {
	for _, value := range []string{
		`{}`, `5`, `null`, `"x"`, `true`, `1e400`, `-1e400`, `[1e400]`, `[null, -1, 0, 1.5, 9223372036854775808, "x", [], {}]`,
		strings.Repeat("[", 10_000), strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		strings.Repeat("[", 8_900) + strings.Repeat(`[{"a": "[\"]"}, `, 1_500) + "[]" + strings.Repeat("]", 10_400),
		"[" + strings.Repeat("{}, ", 1000) + "{}]",
		"[" + strings.Repeat(`{"id": 1, "owner": "\u0000"}, `, 1000) + "5]",
		`[{"id": 1, "id": 2}, {"id": 1, "hostname": "h", "labels": [{"id": 1}], "aclgroup_set": [{"users": [{}]}]}]`,
		`[{"id": 1, "hostname": "a\u0000b"}, {"id": 1, "hostname": "\ud800"}, {"id": 1, "hostname": "` + "\xff" + `"}]`,
		`[{"id": 1, "hostname": "h", "` + strings.Repeat("n", 5000) + `": {"a": 1, "a": 1}}]`,
		`[{"id": 1, "hostname": "h", "lock_time": "0000-01-01T00:00:00"},` +
			`{"id": 1, "hostname": "h", "lock_time": "2019-03-15 11:30:15.123456789"}]`,
		`[{"id": 1, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "jobkeyval_set": [{"key": "k"}],` +
			`"hostqueueentry_set": [{"id": 1, "status": "Queued"}, {"id": 1, "status": "Queued"}]}]`,
		`[{"id": 1, "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "run_reset": 0, "shard": {"id": 1, "hostname": "s"},` +
			`"hostqueueentry_set": [{"id": 1, "status": "Queued", "aborted": 1, "meta_host": {"id": 1, "name": "l"}}]}]`,
		`["` + strings.Repeat("x", 3000) + `", {"id": 1` + strings.Repeat("0", 3000) + `}]`,
		`[{"id": 1, "hostname": "h", "owner": "o", "name": "n", "created_on": "2019-03-15T11:30:15", "job_id": 1, "shard": null}]`,
		`[{"id": 1, "job_id": 1, "key": "k", "value": "v"}, {"job_id": 0}]`,
	} {
		for _, section := range []string{"hosts", "jobs", "suite_keyvals", "incorrect_host_ids"} {
			bodies = append(bodies, []byte(`{"result": {"`+section+`": `+value+`}}`))
		}
		bodies = append(bodies, []byte(`{"result": `+value+`}`), []byte(`{"error": `+value+`}`), []byte(value))
	}
	for _, body := range []string{
		"", " ", "\x00", "\xff", `{"result": {}, "result": {"hosts": 5}}`, `{"result": {"hosts": [], "hosts": [{}]}}`, `{"result": {}} x`,
		`{"error": {"name": "` + strings.Repeat("N", 5000) + `", "message": "` + strings.Repeat(`\u0000`, 5000) + `"}}`,
		`{"error": {"name": "E", "message": "mallory does not have access to a\u0000b"}}`,
		`{"result": {"hosts": [{"id": 1, "hostname": "\u0000"}, {"id": 2, "hostname": "\ud800"}], "hosts": [{"id": 3, "hostname": "h"}]}}`,
		`{"result": {"jobs": [{"id": 1, "owner": "", "name": "", "created_on": "2019-03-15T11:30:15", "run_reset": 1,
			"hostqueueentry_set": [{"id": 1, "status": "", "host_id": -9223372036854775808, "meta_host": {"id": 2, "name": ""}}]}]}}`,
		`{"error": "mallory does not have access to ` + "\xff" + `"}`, `{"` + strings.Repeat("k", 5000) + `": 1, }`,
	} {
		bodies = append(bodies, []byte(body))
	}
	return bodies
}
