package ops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// testLogger returns a logger at debug level that writes to the buffer.
func testLogger(t *testing.T, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var buf bytes.Buffer
	log, _, err := NewLogger(LogOptions{Writer: &buf, Format: format, Level: slog.LevelDebug, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return log, &buf
}

func noon() time.Time { return time.Date(2019, 3, 15, 12, 0, 0, 0, time.UTC) }

// checkLine fails unless buf holds one line of the format that is shorter than 4096 bytes; it
// empties buf.
func checkLine(t *testing.T, format string, buf *bytes.Buffer) string {
	t.Helper()
	line := buf.String()
	buf.Reset()
	if len(line) >= 4096 || strings.Index(line, "\n") != len(line)-1 || !utf8.ValidString(line) {
		t.Errorf("%s: %d bytes, %d newlines, valid UTF-8: %t: %.300q",
			format, len(line), strings.Count(line, "\n"), utf8.ValidString(line), line)
	}
	if format == "json" && !json.Valid([]byte(line)) {
		t.Errorf("no valid JSON: %.300q", line)
	}
	return line
}

type (
	shouter struct{ text string }
	faulty  struct{}
	bomb    struct{}
)

func (s *shouter) Error() string            { return s.text }
func (faulty) MarshalText() ([]byte, error) { return nil, errors.New(strings.Repeat("no text ", 9999)) }
func (bomb) Error() string                  { panic(strings.Repeat("boom ", 9999)) }
func (bomb) MarshalJSON() ([]byte, error)   { panic("boom") }

// TestEveryLineIsBounded (promise P9) logs what has made lines long in production, or might.
func TestEveryLineIsBounded(t *testing.T) {
	const large = 1 << 17
	nested := slog.String("end", "x")
	many := make([]any, 0, 20_000)
	for i := range 10_000 {
		nested = slog.Group(fmt.Sprintf("group%d", i), nested)
		many = append(many, fmt.Sprintf("attribute_%d", i), i)
	}
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	for name, args := range map[string][]any{
		"long text":             {"error", strings.Repeat("a proxy's page ", large/16)},
		"control characters":    {"body", strings.Repeat("\x01", large)},
		"NUL":                   {"body", strings.Repeat("\x00", large)},
		"newlines":              {"body", strings.Repeat("a\r\n", large)},
		"broken UTF-8":          {"body", strings.Repeat("\xff\x80", large)},
		"wide characters":       {"body", strings.Repeat("界", large)},
		"long error":            {"error", errors.New(strings.Repeat("x", large))},
		"joined errors":         {"error", errors.Join(errors.New(strings.Repeat("x\n", large)), errors.New("y"))},
		"bytes":                 {"body", bytes.Repeat([]byte{0}, large)},
		"json.RawMessage":       {"body", json.RawMessage(`"` + strings.Repeat("x", large/8) + `"`)},
		"broken RawMessage":     {"body", json.RawMessage(strings.Repeat("x", large/8))},
		"slice":                 {"ids", make([]int64, large/8)},
		"map":                   {"map", map[string]string{strings.Repeat("k", large): "v"}},
		"struct":                {"v", struct{ Text string }{strings.Repeat("x", large)}},
		"long key":              {strings.Repeat("k", large), 1},
		"long group name":       {slog.Group(strings.Repeat("g", large), "a", 1)},
		"many attributes":       many,
		"deep groups":           {nested},
		"no value":              {"key"},
		"nil error in disguise": {"error", error((*shouter)(nil))},
		"text error":            {"v", faulty{}},
		"panic":                 {"error", bomb{}},
		"panic as JSON":         {"v", struct{ B bomb }{}},
		"not for JSON":          {"v", func() {}, "c", make(chan int), "f", math.NaN()},
		"cycle":                 {"v", &shouter{}, "n", nil},
	} {
		if name == "cycle" {
			args = append(args, "map", jsonOnly{cyclic})
		}
		for _, format := range []string{"text", "json"} {
			t.Run(name+" "+format, func(t *testing.T) {
				log, buf := testLogger(t, format)
				log.Debug("beat failed", args...)
				if line := checkLine(t, format, buf); !strings.Contains(line, "beat failed") {
					t.Errorf("the message is gone: %.300q", line)
				}
				log.With(args...).WithGroup("beat").Info("beat failed", args...)
				checkLine(t, format, buf)
			})
		}
	}
}

// jsonOnly hides a cyclic map from fmt, which would never return.
type jsonOnly struct{ v any }

func (j jsonOnly) String() string               { return "cyclic" }
func (j jsonOnly) MarshalJSON() ([]byte, error) { return json.Marshal(j.v) }

func TestLongMessagesAndGroupNames(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for _, text := range []string{strings.Repeat("\x01", 1<<16), strings.Repeat("界\xff", 1<<14)} {
			log, buf := testLogger(t, format)
			log.Info(text, "a", 1)
			checkLine(t, format, buf)
			log.WithGroup(text).With(text, text).Info(text, text, text)
			checkLine(t, format, buf)
		}
	}
}

func TestShortLinesAreSlogsOwn(t *testing.T) {
	for format, want := range map[string]string{
		"text": "time=2019-03-15T12:00:00.000Z level=INFO msg=\"beat done\" shard=s1 rpc_ms=1.5 " +
			"counts.jobs=2 counts.error=\"no\\nroute\"\n",
		"json": `{"time":"2019-03-15T12:00:00Z","level":"INFO","msg":"beat done","shard":"s1","rpc_ms":1.5,` +
			`"counts":{"jobs":2,"error":"no\nroute"}}` + "\n",
	} {
		log, buf := testLogger(t, format)
		log.With("shard", "s1").Info("beat done", "rpc_ms", 1.5, slog.Group("counts", "jobs", 2, "error", errors.New("no\nroute")))
		if got := checkLine(t, format, buf); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func TestCutLinesKeepWhatMatters(t *testing.T) {
	log, buf := testLogger(t, "json")
	log.Info("beat failed", "error", strings.Repeat("x", 3000), "status", 500, "shard", "s1")
	line := checkLine(t, "json", buf)
	for _, want := range []string{strings.Repeat("x", 2048) + "…(3000 bytes)", `"status":500`, `"shard":"s1"`} {
		if !strings.Contains(line, want) {
			t.Errorf("%.40q is missing in %q", want, line)
		}
	}
	many := make([]any, 0, 2000)
	for i := range 1000 {
		many = append(many, fmt.Sprint("key", i), i)
	}
	log.Info("beat failed", many...)
	want := `{"time":"2019-03-15T12:00:00Z","level":"INFO","msg":"beat failed",` +
		`"note":"attributes left out, the line was too long","attributes":1000,"line_bytes":`
	if line := checkLine(t, "json", buf); !strings.HasPrefix(line, want) {
		t.Errorf("got %q, want %q…", line, want)
	}
}

// TestDerivedLoggersDoNotShare: two loggers made from one must not see each other's attributes.
func TestDerivedLoggersDoNotShare(t *testing.T) {
	log, buf := testLogger(t, "text")
	base := log.With("a", 1).With("b", 2).With("c", 3)
	first, second := base.With("which", "first"), base.With("which", "second")
	first.Info("x")
	if line := checkLine(t, "text", buf); !strings.Contains(line, "which=first") {
		t.Errorf("first logged %q", line)
	}
	second.Info("x")
	if line := checkLine(t, "text", buf); !strings.Contains(line, "which=second") {
		t.Errorf("second logged %q", line)
	}
}

func TestCutText(t *testing.T) {
	for _, tt := range []struct {
		s     string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc…(4 bytes)"}, {"ab界", 3, "ab…(5 bytes)"}, {"ab界", 4, "ab…(5 bytes)"},
		{"ab界", 5, "ab界"}, {"", 0, ""}, {"😀😀", 1, "…(8 bytes)"}, {"\x80\x80\x80\x80\x80\x80\x80", 5, "\uFFFD…(7 bytes)"},
	} {
		if got := cutText(tt.s, tt.limit); got != tt.want {
			t.Errorf("cutText(%q, %d) = %q, want %q", tt.s, tt.limit, got, tt.want)
		}
	}
}
