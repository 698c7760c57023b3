package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// everything is what is changed unless something else is named.
var everything = []string{
	"queries/shard", "runner/shard", "runner/apply", "runner/aside", "runner/rows", "runner/search", "runner/lock", "runner/loop",
	"runner/afe",
}

// guests are packages whose tests stand in consumer, where a whole beat can be looked at.
var guests = []string{"runner/apply", "runner/aside", "runner/rows"}

const (
	queries   = "queries/shard"
	generated = "gen/sharddb"
	// consumer is the package whose tests look at what any query does.
	consumer = "./runner/shard"
)

// collect returns all mutants of the targets, in order.
func collect(root string, targets []string) ([]mutant, error) {
	var mutants []mutant
	for _, target := range everything {
		dir := target
		add := mutateGo
		if target == queries {
			dir, add = generated, mutateQueries
		}
		names, err := sources(filepath.Join(root, dir))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			path := dir + "/" + name
			content, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				return nil, err
			}
			found, err := add(root, path, content)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			mutants = append(mutants, found...)
		}
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool {
		path, _, _ := strings.Cut(m.id, " ")
		return !isTarget(path, targets)
	})
	if len(mutants) == 0 {
		return nil, fmt.Errorf("nothing to change in %s", strings.Join(targets, ", "))
	}
	number(mutants)
	return mutants, nil
}

// sources are the Go files of a directory, without tests.
func sources(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); !entry.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
	}
	return names, err
}

// number tells mutants apart that would have the same id.
func number(mutants []mutant) {
	seen := map[string]int{}
	for i := range mutants {
		id := mutants[i].id
		if seen[id]++; seen[id] > 1 {
			mutants[i].id = fmt.Sprintf("%s #%d", id, seen[id])
		}
	}
}

// isTarget reports whether a path is one of the targets or below one.
func isTarget(path string, targets []string) bool {
	return slices.ContainsFunc(targets, func(target string) bool {
		target = strings.TrimSuffix(target, "/")
		return path == target || strings.HasPrefix(path, target+"/")
	})
}

// callers are the packages whose code calls a query, and the consumer, whose tests take longest.
func callers(root, query string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(filepath.Join(root, "runner"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "."+query+"(") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		found = append(found, "./"+filepath.ToSlash(dir))
		return err
	})
	slices.Sort(found)
	found = slices.DeleteFunc(slices.Compact(found), func(name string) bool { return name == consumer })
	return append(found, consumer), err
}

// replaced returns content with the bytes from begin to end replaced.
func replaced(content []byte, begin, end int, by string) []byte {
	return slices.Concat(content[:begin], []byte(by), content[end:])
}

// squeezed returns a text in one line, without comments, for an id.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		lines = append(lines, line)
	}
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}
