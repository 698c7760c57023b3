package ops

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/slogtest"
)

// TestHandlerKeepsTheContractOfSlog: records with attributes, groups and values of every kind come
// out as log/slog asks of a handler.
func TestHandlerKeepsTheContractOfSlog(t *testing.T) {
	var lines bytes.Buffer
	newHandler := func(*testing.T) slog.Handler {
		lines.Reset()
		log, _, err := NewLogger(LogOptions{Writer: &lines, Format: "json"})
		if err != nil {
			t.Fatal(err)
		}
		return log.Handler()
	}
	slogtest.Run(t, newHandler, func(t *testing.T) map[string]any {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	})
}
