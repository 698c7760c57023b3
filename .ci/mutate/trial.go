package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// outcome of the tests for one mutant.
type outcome string

const (
	noticed  outcome = "noticed "
	survived outcome = "SURVIVED"
	broken   outcome = "no build" // it does not compile, so nobody could write it
	stopped  outcome = "stopped " // a signal ended the test, which therefore says nothing
)

// mutant is one change of one file.
type mutant struct {
	id       string // path, function or query, and the change; unique, and the same from run to run
	file     string // the file that is replaced, relative to the root
	content  []byte
	packages []string // whose tests should notice
}

// trial runs tests.
type trial struct {
	options
	dir string
}

// baseline fails unless the tests pass without any change.
func (t *trial) baseline(ctx context.Context, mutants []mutant) error {
	var packages []string
	for _, m := range mutants {
		packages = append(packages, m.packages...)
	}
	slices.Sort(packages)
	for _, name := range slices.Compact(packages) {
		fmt.Println("without a change:", name)
		if out, err := t.goTest(ctx, name); err != nil {
			return fmt.Errorf("the tests of %s fail without any change: %w\n%s", name, err, out)
		}
	}
	return nil
}

// test tries one mutant. An error is why it could not be tried.
func (t *trial) test(ctx context.Context, number int, m mutant) (outcome, error) {
	changed := filepath.Join(t.dir, fmt.Sprintf("%d.go", number))
	overlay := filepath.Join(t.dir, fmt.Sprintf("%d.json", number))
	defer func() {
		_ = os.Remove(changed)
		_ = os.Remove(overlay)
	}()
	original, err := filepath.Abs(filepath.Join(t.root, m.file))
	if err != nil {
		return broken, err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return broken, err
	}
	if err := os.WriteFile(changed, m.content, 0o600); err != nil {
		return broken, err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return broken, err
	}
	for _, name := range m.packages {
		out, err := t.goTest(ctx, name, "-overlay", overlay)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return stopped, nil
		case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
			return broken, nil
		default:
			return noticed, nil
		}
	}
	return survived, nil
}

func (t *trial) goTest(ctx context.Context, name string, flags ...string) ([]byte, error) {
	args := append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", t.timeout.String()}, flags...)
	if t.run != "" {
		args = append(args, "-run", t.run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, name)...)
	cmd.Dir = t.root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.CombinedOutput()
}

// accepted are the survivors that may live: the reason by id.
type accepted map[string]string

// readAccepted reads lines of an id, a tab and a reason. Empty lines and those that begin with # do
// not count.
func readAccepted(path string) (accepted, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reasons := accepted{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, found := strings.Cut(line, "\t")
		if !found || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: want an id, a tab and the reason why it may live", path, i+1)
		}
		reasons[id] = strings.TrimSpace(reason)
	}
	return reasons, nil
}

// stale returns the ids below the targets that match no mutant.
func (a accepted) stale(mutants []mutant, targets []string) []string {
	known := map[string]bool{}
	for _, m := range mutants {
		known[m.id] = true
	}
	var stale []string
	for id := range a {
		path, _, _ := strings.Cut(id, " ")
		if !known[id] && isTarget(path, targets) {
			stale = append(stale, id)
		}
	}
	slices.Sort(stale)
	return stale
}
