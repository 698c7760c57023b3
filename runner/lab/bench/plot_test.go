package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/plotter"
)

func TestPlot(t *testing.T) {
	t.Parallel()
	var lines curves
	for _, p := range []point{{1, 10}, {10, 90}, {1, 12}, {10, 110}, {1, 99}} {
		lines.add("shard-client", p)
	}
	lines.add("COPY", point{1, 8})
	want := plotter.XYs{{X: 1, Y: 12}, {X: 10, Y: 100}}
	if diff := cmp.Diff(want, lines[0].medians()); diff != "" {
		t.Errorf("-want +medians:\n%s", diff)
	}
	dir := filepath.Join(t.TempDir(), "plots")
	at := &site{Bench: &Bench{Report: dir}, times: lines}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := at.plot(); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(filepath.Join(dir, "time.svg"))
	if err != nil || !bytes.Contains(drawn, []byte("<svg")) || !bytes.Contains(drawn, []byte("shard-client")) {
		t.Errorf("%v: %.300s", err, drawn)
	}
	if _, err := os.Stat(filepath.Join(dir, "memory.svg")); err == nil {
		t.Error("a plot without lines was drawn")
	}
	again := filepath.Join(t.TempDir(), "again.svg")
	if err := draw(again, "Time to store an answer", "seconds", lines); err != nil {
		t.Fatal(err)
	}
	if other, err := os.ReadFile(again); err != nil || !bytes.Equal(drawn, other) {
		t.Errorf("the same figures are drawn differently: %v", err)
	}
}
