package operator_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/operator"
	"shardclient/runner/screen"
)

// On a terminal nothing is wider than it, the error of a beat stands below it, and what failed is
// red; a file has everything in one line.
func TestShowOnATerminal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)
	failed := operator.Beat{StartedAt: at, TookMS: 1500, Report: beat.Report{
		Outcome: "failed", Failure: "transport", Error: "heartbeat: " + strings.Repeat("word ", 100) + "end", KnownJobs: 12345, KnownHosts: 600,
	}}
	var beats []operator.Beat
	for range 90 {
		beats = append(beats, failed, operator.Beat{StartedAt: at, TookMS: 100, Report: beat.Report{Outcome: "ok"}})
	}
	who := &operator.Holder{Who: "shard-client 1.2.0 on a-host-with-a-long-name.example, pid 4711", Since: at, BackendPID: 17}
	status := operator.Status{
		State: operator.StateFailing, Sentence: strings.Repeat("long ", 40), At: at.Add(time.Hour), Error: failed.Error, Hint: "do this",
		Holder: who, LastHolder: who, Beats: beats, Unknown: map[string]string{"open": "canceling statement due to statement timeout"},
	}
	for _, width := range []int{40, 80, 132, 0} {
		var text bytes.Buffer
		out := screen.Out{Writer: &text, Width: width, Colour: width == 132}
		if err := status.Show(out); err != nil {
			t.Fatal(err)
		}
		if err := operator.ShowHistory(out, beats[:2]); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text.String()) {
			for _, code := range []string{"\x1b[31m", "\x1b[90m", "\x1b[0m"} {
				line = strings.ReplaceAll(line, code, "")
			}
			if n := len([]rune(strings.TrimSpace(line))); width > 0 && n > width {
				t.Errorf("a line of %d columns on a terminal of %d: %q", n, width, line)
			}
		}
		red := strings.Contains(text.String(), "\x1b[31m×\x1b[0m") && strings.Contains(text.String(), "\x1b[31m2026-11-29T01:02:03Z  transport")
		if red != out.Colour || !strings.Contains(text.String(), "×") || !strings.Contains(text.String(), "not known: canceling") {
			t.Errorf("width %d:\n%s", width, &text)
		}
		if whole := strings.Count(text.String(), "word end") == 2; whole != (width == 0) {
			t.Errorf("width %d: the error is whole: %t\n%s", width, whole, &text)
		}
	}
}
