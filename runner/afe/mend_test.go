package afe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Python's json writes NaN, Infinity and -Infinity for floats that JSON does not have, and other
// encoders have lapses of their own. Such a value harms the object in which it stands, and none
// beside it.
func TestP6ValueThatIsNotJSON(t *testing.T) {
	for value, want := range map[string]string{
		`NaN`: "NaN is not a value of JSON", `Infinity`: "Infinity is not a value of JSON", `-Infinity`: "-Infinity is not a value of JSON",
		`[1, NaN]`: "NaN is not a value of JSON", `{"a": -Infinity}`: "-Infinity is not a value of JSON",
		`None`: "None is not a value of JSON", `True`: "True is not a value of JSON", `undefined`: "undefined is not a value of JSON",
		`1L`: "1L is not a value of JSON", `007`: "007 is not a value of JSON", `1.`: "1. is not a value of JSON", `+1`: "+1 is not a value of JSON",
		`0x1F`: "0x1F is not a value of JSON", `'x'`: "'x' is not a value of JSON", `\`: "? is not a value of JSON",
		"\"a\tb\"": "a string with a control character", `"a\x41"`: "a string with a control character",
		`"\ud800"`: "invalid surrogate pair", `"\udc00\ud800"`: "invalid surrogate pair",
		`123456789012345678901234567890`: "", `1e400`: "", `1.0E+2`: "", `"NaN"`: "", `"\"NaN, NaN"`: "", `"\\"`: "",
	} {
		for _, known := range []bool{true, false} { // a field that is read, and one that is not
			field := map[bool]string{true: "hostname", false: "colour"}[known]
			object := strings.Replace(`{"id": 2, "hostname": "h"}`, `"h"`, `"h", "colour": `+value, 1)
			if known {
				object = strings.Replace(`{"id": 2, "hostname": "h"}`, `"h"`, value, 1)
			}
			r := decodeOK(t, wrap("hosts", `{"id": 1, "hostname": "NaN"}, `+object+`, {"id": 3, "hostname": "c"}`))
			if len(r.Hosts) != 3 || r.Hosts[0].Err != nil || r.Hosts[0].Object.Hostname != "NaN" || r.Hosts[2].Err != nil {
				t.Fatalf("%s in %s: %+v; want only the second host set aside", value, field, r.Hosts)
			}
			bad := r.Hosts[1]
			switch said := fmt.Sprint(bad.Err); {
			case want == "" && !known && bad.Err != nil:
				t.Errorf("%s in %s: %v", value, field, bad.Err)
			case want != "" && (!strings.Contains(said, want) || !strings.HasPrefix(said, field) || bad.ID != 2):
				t.Errorf("%s in %s: host %d: %s; want host 2, the field and %q", value, field, bad.ID, said, want)
			case strings.Contains(want, "is not a value") && value != `\` && string(bad.Raw) != object:
				t.Errorf("%s: the payload is %s, want it as it came", value, bad.Raw)
			}
		}
	}
}

// Such a value outside the objects is no less confined.
func TestP6WordInTheWrongPlace(t *testing.T) {
	r := decodeOK(t, []byte(`{"id": NaN, "error": null, "result": {"hosts": NaN, "news": Infinity,
		"jobs": [NaN, {"job_id": NaN}], "suite_keyvals": [], "incorrect_host_ids": [1, NaN, 3]}}`))
	var got []string
	for _, m := range r.Malformed {
		got = append(got, fmt.Sprintf("%s %s %v", m.Section, m.Raw, m.Err))
	}
	for _, j := range r.Jobs {
		got = append(got, fmt.Sprintf("%d %s %v", j.ID, j.Raw, j.Err))
	}
	want := []string{
		"hosts NaN hosts: NaN is not a value of JSON, want a list",
		"incorrect_host_ids NaN NaN is not a value of JSON",
		"0 NaN NaN is not a value of JSON", `0 {"job_id": NaN} job_id: NaN is not a value of JSON`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{1, 3}, r.IncorrectHostIDs); diff != "" || r.Incomplete == nil {
		t.Errorf("incomplete %v, ids (-want +got):\n%s", r.Incomplete, diff)
	}
}

// What cannot be told apart is no answer, and the first error is told, not one about a mended text.
// But the cause of an answer that ends early is its end, whatever stands before that.
func TestTextThatCannotBeMended(t *testing.T) {
	for body, want := range map[string]string{
		`<html>NaN</html>`: "invalid character '<'",
		`NaN`:              "invalid character 'N'",
		`{"result": NaN}`:  "result: invalid character 'N'",
		`{"result": {"hosts": [{"id": NaN}, {"id": 1`: "it ends early, result.hosts[1]: unexpected EOF; " +
			"before that, result.hosts[0].id: invalid character 'N'",
		`{"result": {"hosts": [{"id": NaN}, {"na`:      "it ends early, result.hosts[1]: unexpected EOF; before that, result.hosts[0].id: invalid",
		`{"result": {"hosts": [{"id": 1, "x": Na`:      "it ends early, result.hosts[0]: unexpected EOF; before that, result.hosts[0].x: invalid",
		`{"result": {"hosts": [{"id": 1`:               "result.hosts[0]: unexpected EOF",
		`{"result": {"hosts": [{"id": 1,}]}}`:          "result.hosts[0]: invalid character ','",
		`{"result": {"hosts": [{"id": 'a', b'}]}}`:     `invalid character '\''`,
		`{"result": {"hosts": [{"id": 1, "x": "abc]}}`: "unexpected EOF",
		`{"results": NaN}`:                             "results: invalid character 'N'",
	} {
		if r, failed := decode([]byte(body)); r != nil || failed == nil || failed.Class != Undecodable || !strings.Contains(failed.Err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %s", body, r, failed, want)
		}
	}
}
