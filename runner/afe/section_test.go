package afe

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"shardclient/runner/answer"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestMalformedSections(t *testing.T) {
	r := decodeOK(t, []byte(`{"result": {"hosts": {"1": {}}, "jobs": null, "suite_keyvals": [{"job_id": 1}], "incorrect_host_ids": "3"}}`))
	want := []malformed{
		{"hosts", []byte(`{"1": {}}`), errors.New("hosts is an object, want a list")},
		{"jobs", []byte(`null`), errors.New("jobs is null, want a list")},
		{"incorrect_host_ids", []byte(`"3"`), errors.New("incorrect_host_ids is a string, want a list")},
	}
	if diff := gocmp.Diff(want, r.Malformed, gocmp.Comparer(sameText)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Incomplete == nil || r.Incomplete.Error() != "incomplete answer: hosts is an object, want a list" {
		t.Errorf("incomplete: %v, want the first bad section", r.Incomplete)
	}
	if len(r.SuiteKeyvals) != 1 || r.Hosts != nil || r.Jobs != nil || r.IncorrectHostIDs != nil {
		t.Errorf("%+v: want the good section and no other", r)
	}
}

// A missing section is not an empty one, but for incorrect_host_ids, which a master of 2015 does
// not send.
func TestMissingSections(t *testing.T) {
	for section, incomplete := range map[string]string{
		"hosts": "incomplete answer: hosts is missing", "jobs": "incomplete answer: jobs is missing",
		"suite_keyvals": "incomplete answer: suite_keyvals is missing", "incorrect_host_ids": "",
	} {
		r := decodeOK(t, []byte(strings.Replace(idle, `"`+section+`": []`, `"other": []`, 1)))
		if got := fmt.Sprint(r.Incomplete); got != cmp.Or(incomplete, "<nil>") || len(r.Malformed) != 0 {
			t.Errorf("without %s: %s, %v", section, got, r.Malformed)
		}
		if (r.Hosts == nil) != (section == "hosts") || (r.Jobs == nil) != (section == "jobs") ||
			(r.SuiteKeyvals == nil) != (section == "suite_keyvals") {
			t.Errorf("without %s: %+v: only what is missing is nil", section, r)
		}
	}
}

func sameText(a, b error) bool { return a.Error() == b.Error() }

func TestIncorrectHostIDs(t *testing.T) {
	r := decodeOK(t, wrap("incorrect_host_ids", `3, "4", null, -5, 0, 6.5, [], {}, true, 9223372036854775808, 3, 7`))
	if diff := gocmp.Diff([]int64{3, 3, 7}, r.IncorrectHostIDs); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	want := []string{
		`"4" want a whole number, got "4"`, `null want a whole number, got null`, `-5 id: want a positive id, got -5`,
		`0 id: want a positive id, got 0`, `6.5 6.5: want a whole number`, `[] want a whole number, got a list`,
		`{} want a whole number, got an object`, `true want a whole number, got a boolean`,
		`9223372036854775808 9223372036854775808: value out of range`,
	}
	var got []string
	for _, m := range r.Malformed {
		got = append(got, fmt.Sprintf("%s %v", m.Raw, m.Err))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// Tiny objects take some hundred times their text in memory (P9).
func TestTooManyObjects(t *testing.T) {
	defer func(limit int) { answer.MaxObjects = limit }(answer.MaxObjects)
	answer.MaxObjects = 3
	r := decodeOK(t, []byte(`{"result": {"incorrect_host_ids": [1, 2, 3, 4, 5], "hosts": [1, 2, 3],
		"suite_keyvals": [{"job_id": 1}, 0, 0, 0]}}`))
	if len(r.IncorrectHostIDs) != 3 || len(r.Hosts) != 3 || len(r.SuiteKeyvals) != 3 || r.SuiteKeyvals[0].Err != nil {
		t.Errorf("%d ids, %d hosts, %d keyvals, want the first 3 of each", len(r.IncorrectHostIDs), len(r.Hosts), len(r.SuiteKeyvals))
	}
	var got []string
	for _, m := range r.Malformed {
		got = append(got, m.Err.Error())
	}
	want := []string{
		"suite_keyvals has more than 3 objects; the rest is left out",
		"incorrect_host_ids has more than 3 objects; the rest is left out",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
