package hint

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/beat"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
	"shardclient/runner/shard"
	"shardclient/schema"
)

// runbook returns the sections of the runbook by their headings, as plain text.
func runbook(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range regexp.MustCompile(`(?m)^#+ `).Split(string(text), -1) {
		heading, body, _ := strings.Cut(section, "\n")
		sections[heading] = plainText(body)
	}
	return sections
}

var links = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// plainText drops marks, links and the breaks of lines.
func plainText(text string) string {
	text = strings.NewReplacer("`", "", "**", "").Replace(links.ReplaceAllString(text, "$1"))
	return strings.ToLower(strings.Join(strings.Fields(text), " "))
}

// The runbook says about each class of failure, behind Do, what its hint says, and about nothing
// else.
func TestClassesAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	sections := runbook(t)
	want := append(shard.Failures(), beat.FailureStopped)
	for _, class := range want {
		if Of(class) == "" {
			t.Errorf("class %s has no hint", class)
		}
		if !strings.Contains(sections[class], "do "+plainText(Of(class))) {
			t.Errorf("class %s: the runbook does not begin what to do with %q:\n%s", class, Of(class), sections[class])
		}
	}
	for class := range classes {
		if !slices.Contains(want, class) {
			t.Errorf("class %s has a hint, but no beat fails with it", class)
		}
	}
}

// The same of the quarantine.
func TestCodesAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, below, _ := strings.Cut(string(text), "\n## Quarantine codes\n")
	below, _, _ = strings.Cut(below, "\n## ")
	sections, seen := runbook(t), 0
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(below, -1) {
		code, _, _ := strings.Cut(heading[1], " ")
		if OfCode(code) == "" || !strings.Contains(sections[heading[1]], "do "+plainText(OfCode(code))) {
			t.Errorf("code %s: the runbook does not begin what to do with %q:\n%s", code, OfCode(code), sections[heading[1]])
		}
		seen++
	}
	if seen != len(codes) {
		t.Errorf("%d codes in the runbook, %d hints", seen, len(codes))
	}
}

// What is known of single causes stands in the runbook, too, where one looks for it.
func TestCausesAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	sections := runbook(t)
	ofMaster := strings.Join([]string{sections["transport"], sections["http_status"], sections["undecodable"], sections["rpc_error"]}, " ")
	for _, tt := range []struct {
		causes []cause
		text   string
	}{{causesOfMaster, ofMaster}, {causesOfDatabase, sections["database"]}} {
		for _, c := range tt.causes {
			if !strings.Contains(tt.text, plainText(c.remedy)) {
				t.Errorf("the runbook does not say %q", c.remedy)
			}
		}
	}
}

// An error that ends a start says itself what to do, in the words of the runbook.
func TestStartErrorsAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	sections := runbook(t)
	const exits = "Exit 2, 3 and 4"
	for _, tt := range []struct {
		err     error
		heading string
	}{
		{&lock.HeldError{}, "One client per shard"},
		{&lock.CopyError{}, "A copied database"},
		{&poolers.Error{}, exits},
		{&pg.ServerError{Version: "14.1"}, exits},
		{&schema.VersionError{Have: 1, Want: 2}, exits},
		{&schema.VersionError{Have: 2, Want: 1}, exits},
	} {
		remedy := find("", tt.err)
		if remedy == "" || !strings.Contains(sections[tt.heading], plainText(remedy)) {
			t.Errorf("%T: %q is not in the runbook:\n%s", tt.err, remedy, sections[tt.heading])
		}
		if !strings.Contains(tt.err.Error(), remedy) || For("", tt.err) != "" {
			t.Errorf("%T: %q is not in its text, or said twice: %v", tt.err, remedy, tt.err)
		}
	}
}

// A hint can stand in a line of the log.
func TestHintsAreOneSentence(t *testing.T) {
	t.Parallel()
	var all []string
	for _, remedies := range []map[string]string{classes, codes} {
		for _, remedy := range remedies {
			all = append(all, remedy)
		}
	}
	for _, c := range slices.Concat(causesOfMaster, causesOfDatabase) {
		all = append(all, c.remedy)
	}
	for _, remedy := range all {
		if len(remedy) > 160 || strings.HasSuffix(remedy, ".") || remedy[:1] != strings.ToLower(remedy[:1]) {
			t.Errorf("%d bytes: %q", len(remedy), remedy)
		}
	}
}
