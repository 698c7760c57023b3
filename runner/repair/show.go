package repair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"shardclient/gen/sharddb"
	"shardclient/runner/hint"
)

// Shown is all that is known of an object that is set aside. Its JSON is a contract.
type Shown struct {
	Aside
	// Payload is the object, if what is kept of it is JSON; null otherwise.
	Payload jsontext.Value `json:"payload"`
	// Raw is what is kept of the payload, as it came.
	Raw []byte `json:"payload_base64"`
}

// Show reads the payload of an object.
func Show(ctx context.Context, db sharddb.DBTX, a Aside) (Shown, error) {
	s := Shown{Aside: a, Raw: []byte{}}
	if a.Taken() {
		return s, nil
	}
	raw, err := sharddb.New(db).RepairPayload(ctx, a.row)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s, ErrNotAside // it went this very moment
	case err != nil:
		return s, fmt.Errorf("read the payload of %s: %w", &a, err)
	}
	s.Raw = raw
	if value := jsontext.Value(raw); value.IsValid() {
		s.Payload = value
	}
	return s, nil
}

// Text describes the object for people.
func (s *Shown) Text() string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-12s%s\n", name, value) }
	fmt.Fprintln(&b, &s.Aside)
	code := printable(s.Code)
	line("code", code)
	line("reason", printable(s.Reason))
	line("times", fmt.Sprint(s.Occurrences))
	line("first seen", s.FirstSeen.Format(time.RFC3339))
	line("last seen", s.LastSeen.Format(time.RFC3339))
	line("next try", s.nextTry())
	if do := hint.OfCode(s.Code); do != "" {
		line("do", do)
	}
	line("runbook", "docs/runbook.md, under "+code)
	switch kept := int64(len(s.Raw)); {
	case s.Taken():
		line("payload", fmt.Sprintf("of the master's %s: shard-client quarantine show in %s %d", s.Kind, s.Kind, *s.ID))
	case kept == 0:
		line("payload", "none is kept")
	case kept < s.PayloadBytes:
		line("payload", fmt.Sprintf("%d bytes, of which the first %d are kept:", s.PayloadBytes, kept))
	default:
		line("payload", fmt.Sprintf("%d bytes:", kept))
	}
	if len(s.Raw) > 0 {
		b.WriteString("\n" + s.readable() + "\n")
	}
	return b.String()
}

// nextTry says when the object is tried again.
func (s *Shown) nextTry() string {
	switch {
	case s.Taken():
		return "when the master sends the " + s.Kind + " that is here under this id"
	case s.RetryAt != nil:
		return s.RetryAt.Format(time.RFC3339)
	case s.Direction == "out":
		return "when it has changed"
	case s.Kind == "suite_keyval":
		return "when it comes again, which it does with a job of its suite that is not here"
	default:
		return "when it comes again, which it does as long as the master means it for this shard"
	}
}

// readable returns the payload in lines, if it is JSON, and with nothing in it that a terminal
// would obey.
func (s *Shown) readable() string {
	value := jsontext.Value(s.Raw).Clone()
	err := value.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.WithIndent("  "))
	if err != nil {
		value = s.Raw
	}
	return printable(string(value))
}

// printable escapes what is not printed as it is, but for the ends of lines. What was JSON stays
// JSON of the same value where it was UTF-8.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n' || unicode.IsPrint(r):
			b.WriteString(text[:size])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	return b.String()
}
