package ops

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestRandomLinesAreBounded builds records at random from texts that are hard to print.
func TestRandomLinesAreBounded(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	for i := range 150 {
		format := []string{"text", "json"}[i%2]
		log, buf := testLogger(t, format)
		for range rnd.IntN(4) {
			if rnd.IntN(2) == 0 {
				log = log.WithGroup(randomText(rnd, 100))
			} else {
				log = log.With(randomAttrs(rnd, 3)...)
			}
		}
		log.Log(t.Context(), slog.Level(rnd.IntN(13)-4), randomText(rnd, 3000), randomAttrs(rnd, 60)...)
		checkLine(t, format, buf)
	}
}

func randomAttrs(rnd *rand.Rand, most int) []any {
	var attrs []any
	for range rnd.IntN(most + 1) {
		key, text := randomText(rnd, 90), randomText(rnd, 3000)
		values := []any{
			text, errors.New(text), []byte(text), []string{text, text}, &shouter{text}, map[string]string{text: text},
			slog.GroupValue(slog.String(key, text), slog.Any(text, text)), rnd.Int64(), rnd.Float64(), time.Duration(rnd.Int64()), nil,
		}
		attrs = append(attrs, slog.Any(key, values[rnd.IntN(len(values))]))
	}
	return attrs
}

func randomText(rnd *rand.Rand, most int) string {
	pieces := []string{"a", " ", "=", `"`, `\`, "\n", "\x00", "\x1b[31m", "\xff", "\xe7\x95", "é", "界", "😀", "\u2028", "<", "\u202e"}
	var b strings.Builder
	for n := rnd.IntN(most + 1); b.Len() < n; {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}
