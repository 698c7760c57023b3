package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/pgtest"
)

func TestQuarantineListEmpty(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	if e := invoke("quarantine", "list", "--output=json", "--database-url", databaseURL).want(t, exitOK); e.stdout != "[]\n" {
		t.Errorf("empty: %v", e)
	}
	if e := invoke("quarantine", "list", "--database-url", databaseURL).want(t, exitOK); e.stdout != "the quarantine is empty\n" {
		t.Errorf("empty: %v", e)
	}
}

// Objects that a beat sets aside are listed until they could be stored.
func TestQuarantineList(t *testing.T) {
	t.Parallel()
	databaseURL, _ := database(t)
	good := strings.ReplaceAll(jobs(5, 6, 7), "\t", "")
	noID := strings.Replace(good, `{"id": 5, "owner"`, `{"owner"`, 1)
	bad := strings.Replace(noID, `{"id": 6, "owner": "o"`, `{"id": 6, "owner": "o", "priority": "high"`, 1)
	bad = strings.Replace(bad, `"suite_keyvals": []`, `"suite_keyvals": [{"key": "k", "value": "v"}]`, 1)
	m := masterThat(t, nil)
	beat := func(answer string, quarantined int) {
		t.Helper()
		m.says(answers(answer))
		if got := invoke(once(m, databaseURL)...).want(t, exitOK).result(t); got.Quarantined != quarantined {
			t.Errorf("%d set aside, want %d", got.Quarantined, quarantined)
		}
	}
	beat(bad, 3)
	beat(bad, 3)
	e := invoke("quarantine", "list", "--output", "json", "--database-url", databaseURL).want(t, exitOK)
	var list []map[string]any
	if err := json.Unmarshal([]byte(e.stdout), &list); err != nil || len(list) != 3 || strings.Count(e.stdout, "\n") != 1 {
		t.Fatalf("want three objects in one array: %v: %v", err, e)
	}
	for i, want := range []struct {
		kind   string
		id     any
		reason string
	}{{"job", 6.0, "priority"}, {"job", nil, "id"}, {"suite_keyval", nil, "job_id"}} {
		got := list[i]
		keys := []string{"direction", "kind", "id", "code", "reason", "occurrences", "first_seen", "last_seen"}
		for _, key := range keys {
			if _, ok := got[key]; !ok || len(got) != len(keys) {
				t.Fatalf("row %v, want exactly the keys %q", got, keys)
			}
		}
		reason, _ := got["reason"].(string)
		if got["direction"] != "in" || got["kind"] != want.kind || got["id"] != want.id || got["code"] == "" || got["occurrences"] != 2.0 {
			t.Errorf("row %d: %v", i, got)
		}
		if !strings.Contains(reason, want.reason) || strings.Contains(reason, "\n") {
			t.Errorf("row %d: reason %q does not name %s on one line", i, reason, want.reason)
		}
		var seen []time.Time
		for _, key := range []string{"first_seen", "last_seen"} {
			text, _ := got[key].(string)
			at, err := time.Parse(time.RFC3339, text)
			if err != nil || !strings.HasSuffix(text, "Z") || time.Since(at).Abs() > time.Hour {
				t.Errorf("row %d: %s is %q: %v", i, key, text, err)
			}
			seen = append(seen, at)
		}
		if !seen[0].Before(seen[1]) {
			t.Errorf("row %d: first seen %v, last seen %v", i, seen[0], seen[1])
		}
	}
	text := invoke("quarantine", "list", "--database-url", databaseURL).want(t, exitOK).stdout
	table := regexp.MustCompile(`(?s)^DIR +KIND +ID +CODE +TIMES +FIRST SEEN +LAST SEEN +REASON\n` +
		`in +job +6 +\w+ +2 +\S+Z +\S+Z +.*priority.*\nin +job +- .*\nin +suite_keyval +- `)
	if !table.MatchString(text) {
		t.Errorf("as text:\n%s", text)
	}
	// Without an id nothing shows that an object was stored later: such rows expire.
	beat(good, 0)
	e = invoke("quarantine", "list", "--output", "json", "--database-url", databaseURL).want(t, exitOK)
	list = nil
	if err := json.Unmarshal([]byte(e.stdout), &list); err != nil || slices.ContainsFunc(list, func(row map[string]any) bool { return row["id"] != nil }) {
		t.Errorf("job 6 was stored and is still listed: %v", e)
	}
}
