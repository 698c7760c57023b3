package runner_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// anchors returns the headings of a page, as they stand and as code hosts make addresses of them.
func anchors(page string) (headings, addresses []string) {
	page = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(page, "")
	for _, heading := range found(`(?m)^#+ (.*)$`, page) {
		heading = strings.ReplaceAll(heading, "`", "")
		address := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading), "")
		headings, addresses = append(headings, heading), append(addresses, strings.ReplaceAll(address, " ", "-"))
	}
	return headings, addresses
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for path, page := range pages {
		page = regexp.MustCompile("(?ms)^```.*?^```|`[^`]+`").ReplaceAllString(page, "")
		for _, link := range found(`\]\(([^)]+)\)`, page) {
			if strings.HasPrefix(link, "https://") {
				continue
			}
			place, anchor, _ := strings.Cut(link, "#")
			target := path
			if place != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), place))
			}
			text, there := pages[target]
			if !strings.HasSuffix(target, ".md") || strings.HasPrefix(target, "docs/performance/") { // no page of ours
				_, err := os.Stat(filepath.Join("..", target))
				there = err == nil
			}
			if _, addresses := anchors(text); !there || anchor != "" && !slices.Contains(addresses, anchor) {
				t.Errorf("%s: %s leads nowhere", path, link)
			}
		}
	}
}

// dated are ways of citing that say nothing to a reader: years, and numbers of faults and records.
var dated = regexp.MustCompile(`(?i)decisions\.md|operate\.md|\brecords? \d+\b|\bfaults? \d[ab]?\b|\bincident (of )?20\d\d`)

// prose returns a page, or the comments of a file, as one line.
func prose(path, text string) string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		said := strings.TrimLeft(line, "/-#")
		if strings.HasSuffix(path, ".md") || len(said) < len(line) || strings.Contains(line, "docs/") {
			words = append(words, strings.Fields(said)...)
		}
	}
	return strings.Join(words, " ")
}

// Comments cite pages by their path, and in them headings by their text.
func TestCitationsLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	citation := regexp.MustCompile(`\bdocs/([\w./-]+\.(?:md|sql))(?:,? "([^"]+)"(?: and "([^"]+)")?)?`)
	texts := sources(t)
	maps.Copy(texts, pages)
	for path, text := range texts {
		for _, line := range found(`(?m)^\s*(?://|--) (.*\b201[4678]\b.*)$`, text) {
			t.Errorf("%s names a year, which says nothing: %s", path, line)
		}
		text = prose(path, text)
		if old := dated.FindString(text); old != "" {
			t.Errorf("%s cites %q: name the incident, the fault or the decision", path, old)
		}
		for _, match := range citation.FindAllStringSubmatch(text, -1) {
			page, there := pages["docs/"+match[1]]
			headings, _ := anchors(page)
			for _, heading := range match[2:] {
				there = there && (heading == "" || slices.Contains(headings, heading))
			}
			if !there && match[0] != "docs/grants.sql" {
				t.Errorf("%s cites %s, which is not there", path, match[0])
			}
		}
	}
}

// declares reports whether a file has the function, type or query.
func declares(text, name string) bool {
	return regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type |-- name: )` + name + `\b`).MatchString(text)
}

// What the pages name by its file, as in `Client.pack` (`shard/pack.go`).
func TestNamedCodeExists(t *testing.T) {
	t.Parallel()
	files := sources(t)
	files["docs/grants.sql"], files["runner/documents_test.go"] = "", ""
	named := regexp.MustCompile("(?:`(?:\\w+\\.)?(\\w+)` \\()?`((?:[\\w-]+/)+[\\w-]+\\.(?:go|sql))`")
	for path, page := range documents(t) {
		for _, match := range named.FindAllStringSubmatch(strings.Join(strings.Fields(page), " "), -1) {
			text, there := files["runner/"+match[2]]
			if !there {
				text, there = files[match[2]]
			}
			if !there || match[1] != "" && !declares(text, match[1]) {
				t.Errorf("%s names %s, which is not there", path, match[0])
			}
		}
	}
}

func TestTablesAreNarrow(t *testing.T) {
	t.Parallel()
	for path, page := range documents(t) {
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "|") && len([]rune(line)) > 121 {
				t.Errorf("%s: a row of %d characters, make it a list: %.60s ...", path, len([]rune(line))-1, line)
			}
		}
	}
}

func TestRoomsAreListed(t *testing.T) {
	t.Parallel()
	rooms := section(t, documents(t)["README.md"], "Where things are")
	for room := range arrows {
		if room != "runner" && !strings.Contains(rooms, "`"+room+"/`") {
			t.Errorf("README.md lacks the room %s", room)
		}
	}
	for _, room := range found("`([a-z]+(?:/[a-z-]+)*)/`", rooms) {
		if entries, err := filepath.Glob(filepath.Join("..", room, "*")); err != nil || len(entries) == 0 {
			t.Errorf("README.md has the room %s, which is not there", room)
		}
	}
}

// The list of decisions is whole and in order, with the titles and the states of the records.
func TestDecisionsAreListed(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	record := regexp.MustCompile(`(?s)^# (\d{4})\. ([^\n]+)\n\nStatus: a(.+?)\.\n\n`)
	var want []string
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		name, ok := strings.CutPrefix(path, "docs/decisions/")
		if !ok || name == "README.md" {
			continue
		}
		parts := record.FindStringSubmatch(pages[path])
		if parts == nil || !strings.HasPrefix(name, parts[1]+"-") {
			t.Errorf("%s does not begin with its number, a title and a line of its status", path)
			continue
		}
		line := "- [" + parts[1] + "](" + name + ") " + parts[2] + ". *A" + parts[3] + "*"
		want = append(want, strings.Join(strings.Fields(line), " "))
	}
	list := pages["docs/decisions/README.md"]
	got := strings.Split(list[strings.Index(list, "- ["):], "\n- ")
	for i, one := range got {
		got[i] = "- " + strings.TrimPrefix(strings.Join(strings.Fields(one), " "), "- ")
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("docs/decisions/README.md, entry %d: got %q, want %q",
				i+1, got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
		}
	}
}
