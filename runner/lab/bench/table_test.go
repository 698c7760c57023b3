package bench

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ratios(values ...float64) []sample {
	var rounds []sample
	for _, v := range values {
		rounds = append(rounds, sample{figure: v * 50, floor: 50})
	}
	return rounds
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		rounds []sample
		want   string
	}{
		{"all at the aim", ratios(1.15, 1.15, 1.15), verdictAim},
		{"the median decides, not the worst round", ratios(1.0, 1.1, 9), verdictAim},
		{"between aim and limit", ratios(1.2, 1.3, 1.35), verdictWithin},
		{"only the median beyond the limit", ratios(1.2, 1.3, 1.5, 1.6, 1.7), verdictUnclear},
		{"a lower quartile at the limit", ratios(1.3, 1.4, 1.5, 1.6, 1.7), verdictUnclear},
		{"a lower quartile beyond the limit", ratios(1.3, 1.41, 1.5, 1.6, 1.7), verdictBroken},
		{"one round", ratios(1.5), verdictBroken},
		{"none", nil, verdictNone},
	} {
		r := row{what: c.name, aim: 1.15, limit: 1.4, timed: true, samples: c.rounds}
		if got := r.verdict(false); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := r.verdict(true); got != verdictNone {
			t.Errorf("%s: a quick run says %s about a time", c.name, got)
		}
		r.timed = false
		if got := r.verdict(true); got != c.want {
			t.Errorf("%s: a quick run says %s about what does not depend on the machine, want %s", c.name, got, c.want)
		}
	}
}

func TestVerdictWithoutFloor(t *testing.T) {
	t.Parallel()
	for figure, want := range map[float64]string{40: verdictAim, 50: verdictWithin, 65: verdictBroken} {
		r := row{aim: 40, limit: 64, samples: []sample{{figure: figure}}}
		if got := r.verdict(false); got != want {
			t.Errorf("%v: %s, want %s", figure, got, want)
		}
	}
	if informs := (&row{informs: true, samples: ratios(99)}); informs.verdict(false) != verdictNone {
		t.Error("a row without a limit is judged")
	}
}

func TestQuartiles(t *testing.T) {
	t.Parallel()
	r := row{samples: ratios(5, 1, 4, 2, 3)}
	if lower, median, upper := r.quartiles(); lower != 2 || median != 3 || upper != 4 {
		t.Errorf("%v %v %v, want 2 3 4", lower, median, upper)
	}
	r = row{samples: ratios(1, 2)}
	if lower, median, upper := r.quartiles(); lower != 1.25 || median != 1.5 || upper != 1.75 {
		t.Errorf("%v %v %v, want 1.25 1.5 1.75", lower, median, upper)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var all table
	all.add(row{what: "apply", unit: "ms", aim: 1.15, limit: 1.4, timed: true, samples: ratios(2)})
	all.add(row{what: "memory", unit: "MB", aim: 40, limit: 64, samples: []sample{{figure: 361}}})
	all.add(row{what: "apply", samples: ratios(2.2, 2.1)})
	all.add(row{what: "rows", informs: true, samples: []sample{{figure: 7171}}})
	var text, markdown strings.Builder
	all.print(&text, false)
	all.markdown(&markdown, true)
	want := `what    figure  floor  median  quartiles  aim    never worse than  verdict
apply   105 ms  50 ms  2.10    2.05-2.15  1.15   1.40              BROKEN
memory  361 MB  -      361 MB  361-361    40 MB  64 MB             BROKEN
rows    7171    -      7171    7171-7171  -      -                 -
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("-want +printed:\n%s", diff)
	}
	if want := "| apply | 105 ms | 50 ms | 2.10 | 2.05-2.15 | 1.15 | 1.40 | - |\n"; !strings.Contains(markdown.String(), want) {
		t.Errorf("%q is not in\n%s", want, &markdown)
	}
	var limit *LimitError
	if err := all.judge(false); !errors.As(err, &limit) || !cmp.Equal(limit.Rows, []string{"apply", "memory"}) {
		t.Errorf("%v, want apply and memory", err)
	}
	if err := all.judge(true); !errors.As(err, &limit) || !cmp.Equal(limit.Rows, []string{"memory"}) {
		t.Errorf("a quick run: %v, want memory alone", err)
	}
	if err := (&table{}).judge(false); err != nil {
		t.Error(err)
	}
}
