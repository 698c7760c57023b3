package flags_test

import (
	"testing"

	"shardclient/runner/flags"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"run", "once", "migrate", "quarantine", "version", "heartbeat-pause", "heartbeat-paus", "héa"}
	for name, want := range map[string]string{
		"onse":             "once",
		"ocne":             "once", // exchanged
		"rnu":              "run",
		"quarantaine":      "quarantine",
		"heartbeat-pauses": "heartbeat-pause",
		"migrate":          "migrate",
		"hèa":              "héa", // letters, not bytes
		"help":             "",
		"x":                "",
		"":                 "",
		"completely-other": "",
	} {
		if got := flags.Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", name, got, want)
		}
	}
	if got := flags.Nearest("rum", nil); got != "" {
		t.Errorf("of nothing %q is the nearest", got)
	}
	if got := flags.Nearest("abc", []string{"abd", "abe"}); got != "abd" {
		t.Errorf("of two the nearest is %q, want the first", got)
	}
}
