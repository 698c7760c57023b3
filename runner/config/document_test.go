package config

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/flags"
)

var update = flag.Bool("update", false, "write what the settings are into docs/settings.md")

// TestDocument compares docs/settings.md with the settings. Below the heading of each group stands
// a list; the first paragraph of each item is made of the tags, and what is indented below it is
// anybody's.
func TestDocument(t *testing.T) {
	const path = "../../docs/settings.md"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	items := map[string][]reflect.StructField{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		group := field.Tag.Get("group")
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
		items[group] = append(items[group], field)
	}
	page := string(old)
	for _, group := range groups {
		before, section, found := strings.Cut(page, "\n## "+group+"\n")
		if !found {
			t.Fatalf("%s has no heading %q", path, "## "+group)
		}
		section, after, _ := strings.Cut(section+"\n", "\n## ")
		page = before + "\n## " + group + "\n" + withItems(section, items[group])
		if after != "" {
			page += "\n## " + strings.TrimSuffix(after, "\n")
		}
	}
	if page == string(old) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the settings are: go test ./runner/config -run Document -update", path)
	}
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withItems returns a section with its list made anew.
func withItems(section string, fields []reflect.StructField) string {
	lines, first, last := strings.SplitAfter(section, "\n"), -1, -1
	kept, name := map[string]string{}, ""
	generated := false
	for i, line := range lines {
		if at := strings.Index(line, "`--"); at == 2 && line[0] == '-' {
			name, _, _ = strings.Cut(line[at+3:], "`")
			generated = true
		} else if name != "" && strings.TrimSpace(line) == "" {
			generated = false
			continue
		} else if name != "" && !strings.HasPrefix(line, "  ") {
			break
		}
		if name == "" {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if !generated {
			if strings.TrimSpace(lines[i-1]) == "" {
				kept[name] += "\n"
			}
			kept[name] += line
		}
	}
	if first < 0 {
		first, last = 1, 0
	}
	text := ""
	for _, field := range fields {
		text += item(field) + kept[flagName(field)]
	}
	if last == 0 {
		text += "\n"
	}
	return strings.Join(lines[:first], "") + text + strings.Join(lines[last+1:], "")
}

func flagName(field reflect.StructField) string {
	if name := field.Tag.Get("name"); name != "" {
		return name
	}
	return flags.Name(field.Name)
}

// item returns the first paragraph about a setting.
func item(field reflect.StructField) string {
	text := "- `--" + flagName(field) + "`, `" + strings.ReplaceAll(field.Tag.Get("env"), ",", "`, else `") + "`. "
	if usual := field.Tag.Get("default"); usual != "" {
		text += "Default: `" + usual + "`. "
	}
	if choices := field.Tag.Get("enum"); choices != "" {
		text += "One of `" + strings.ReplaceAll(choices, ",", "`, `") + "`. "
	}
	if places := field.Tag.Get("autotest"); places != "" {
		text += "In Autotest's files: "
		for i, place := range strings.Split(places, ",") {
			section, key, _ := strings.Cut(place, " ")
			if i > 0 {
				text += ", else "
			}
			text += strings.TrimSpace("`["+section+"] "+key) + "`"
		}
		text += ". "
	}
	return wrapped(text + field.Tag.Get("help"))
}

// wrapped breaks an item into lines of 100 columns.
func wrapped(text string) string {
	result, column := "", 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			result, column = word, len(word)
		case column+1+len(word) > 100:
			result, column = result+"\n  "+word, 2+len(word)
		default:
			result, column = result+" "+word, column+1+len(word)
		}
	}
	return result + "\n"
}
