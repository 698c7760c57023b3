package ops

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretsAreTakenOut checks the message and values of every kind. Secrets go before the texts
// are cut, which would leave half a secret.
func TestSecretsAreTakenOut(t *testing.T) {
	redact := func(text string) string { return strings.ReplaceAll(text, "hunter2", "xxxxx") }
	for _, format := range []string{"text", "json"} {
		var buf bytes.Buffer
		log, _, err := NewLogger(LogOptions{Writer: &buf, Format: format, Redact: redact})
		if err != nil {
			t.Fatal(err)
		}
		atTheCut := strings.Repeat(".", cuts[0]-3) + "hunter2"
		log.With("with", "hunter2").WithGroup("group").Info("a hunter2", "string", "b hunter2", "error", errors.New("c hunter2"),
			"list", []string{"hunter2"}, slog.Group("inner", "bytes", []byte("hunter2")), "long", atTheCut)
		line := checkLine(t, format, &buf)
		if strings.Contains(line, "hun") || strings.Count(line, "xx") < 6 {
			t.Errorf("%s: a secret is shown, or what it stood in is missing: %s", format, line)
		}
		for _, kept := range []string{"a xxxxx", "b xxxxx", "c xxxxx"} {
			if !strings.Contains(line, kept) {
				t.Errorf("%s: %q is missing: %s", format, kept, line)
			}
		}
	}
}
