package ops

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
)

// Our handler keeps slog's own rules: groups and what is left out of them, values that resolve, a
// record without a time.
func TestHandlerKeepsTheRulesOfSlog(t *testing.T) {
	for name, o := range map[string]LogOptions{
		"plain": {}, "with secrets and a clock": {Redact: strings.ToLower, Now: noon},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			o.Writer, o.Format = &buf, "json"
			begin := func(t *testing.T) slog.Handler {
				t.Helper()
				buf.Reset()
				log, _, err := NewLogger(o)
				if err != nil {
					t.Fatal(err)
				}
				return log.Handler()
			}
			slogtest.Run(t, begin, func(t *testing.T) map[string]any {
				t.Helper()
				var line map[string]any
				if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
					t.Fatalf("%v in %s", err, &buf)
				}
				return line
			})
		})
	}
}
