package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
)

// played are the commands that edit the master's database, in an order in which their examples make
// sense.
var played = []string{
	"user add", "user list", "label add", "label list", "shard add", "shard list", "host add", "host list", "label attach", "label detach",
	"host lock", "host unlock", "host lease", "host release", "host move", "job create", "job list", "job abort", "host remove", "label remove",
	"shard remove",
}

// Each command's help has an example, and those that edit the master's database run one after the
// other. What the others do has tests of its own.
func TestExamplesOfTheHelp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "SHARD_LAB_DATABASE_URL="+pgtest.Database(t))
	examples := map[string]string{}
	for _, c := range commands() {
		if c.Do == nil {
			continue
		}
		help := outputOf(t, binaries.ShardLab(t), append(strings.Fields(c.Name), "--help")...)
		_, example, found := strings.Cut(help, "\nExample")
		if example, _, _ = strings.Cut(strings.TrimLeft(example, "s:\n"), "\n\n"); !found || !strings.Contains(example, "shard-lab "+c.Name) {
			t.Errorf("%s has no example: %q", c.Name, example)
		}
		examples[c.Name] = example
		if strings.Contains(c.Name, " ") && !slices.Contains(played, c.Name) {
			t.Errorf("the example of %s is not played", c.Name)
		}
	}
	for _, name := range played {
		d.does("PATH=" + filepath.Dir(binaries.ShardLab(t)) + ":$PATH\n" + examples[name])
	}
}
