package check

import (
	"fmt"
	"strings"

	"shardclient/runner/plain"
	"shardclient/runner/screen"
)

// The columns of a line: the level, the name, and what there is to say.
const (
	levelWidth = 8
	nameWidth  = 11
	textColumn = levelWidth + nameWidth
)

// maxText is how much of a text, such as a master's error, a result shows to people.
const maxText = 2000

var colours = map[Level]string{OK: screen.Green, Warn: screen.Yellow, Fail: screen.Red, Skipped: screen.Grey}

// Show writes the result in a line, or in as many as it takes, with the hint below it.
func (r *Result) Show(out screen.Out) error {
	text := out.Paint(colours[r.Level], fmt.Sprintf("%-*s", levelWidth, r.Level)) +
		fmt.Sprintf("%-*s", nameWidth, r.Name) + out.Wrap(plain.Line(r.Text, maxText), textColumn) + "\n"
	if r.Hint != "" {
		text += strings.Repeat(" ", textColumn) + "-> " + out.Wrap(r.Hint, textColumn+3) + "\n"
	}
	_, err := fmt.Fprint(out, text)
	return err
}

// Count says how many results there are of each level, such as: 12 ok, 1 warn, 2 fail.
func Count(results []Result) string {
	count := map[Level]int{}
	for _, r := range results {
		count[r.Level]++
	}
	var parts []string
	for _, level := range []Level{OK, Warn, Fail, Skipped} {
		if n := count[level]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, level))
		}
	}
	return strings.Join(parts, ", ")
}

// Worst returns the worst level: a check that fails before one that warns.
func Worst(results []Result) Level {
	worst := OK
	for _, r := range results {
		if r.Level == Fail || r.Level == Warn && worst == OK {
			worst = r.Level
		}
	}
	return worst
}
