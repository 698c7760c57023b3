package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// LimitError means that rows are beyond what they must not exceed.
type LimitError struct{ Rows []string }

func (e *LimitError) Error() string {
	return fmt.Sprintf("%d rows are worse than they may ever be, even in their better rounds: %q", len(e.Rows), e.Rows)
}

// table collects rows in the order in which they are first measured.
type table struct{ rows []*row }

// add adds the rounds of a row to those that are there.
func (t *table) add(r row) {
	for _, known := range t.rows {
		if known.what == r.what {
			known.samples = append(known.samples, r.samples...)
			return
		}
	}
	t.rows = append(t.rows, &r)
}

// columns are the words above the table. A floor that is missing, like an aim, is a dash.
var columns = []string{"what", "figure", "floor", "median", "quartiles", "aim", "never worse than", "verdict"}

// cells returns a row as people read it.
func (r *row) cells(quick bool) []string {
	figure, floor := r.medians()
	lower, median, upper := r.quartiles()
	dash := func(v float64, unit string) string {
		if v == 0 {
			return "-"
		}
		return number(v) + unit
	}
	unit := ""
	if r.unit != "" {
		unit = " " + r.unit
	}
	judged := unit // a ratio has no unit
	if floor != 0 {
		judged = ""
	}
	aim, limit := "-", "-"
	if !r.informs {
		aim, limit = number(r.aim)+judged, number(r.limit)+judged
	}
	return []string{
		r.what, number(figure) + unit, dash(floor, unit), number(median) + judged,
		number(lower) + "-" + number(upper), aim, limit, r.verdict(quick),
	}
}

// print prints the table for a terminal.
func (t *table) print(out io.Writer, quick bool) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	t.lines(w, quick, "", "\t", "")
	_ = w.Flush() // when the output is gone, so are its readers
}

// markdown prints the table for a document.
func (t *table) markdown(out io.Writer, quick bool) {
	t.lines(out, quick, "| ", " | ", " |")
}

func (t *table) lines(out io.Writer, quick bool, before, between, after string) {
	line := func(cells []string) {
		_, _ = fmt.Fprint(out, before)
		for i, cell := range cells {
			if i > 0 {
				_, _ = fmt.Fprint(out, between)
			}
			_, _ = fmt.Fprint(out, cell)
		}
		_, _ = fmt.Fprintln(out, after)
	}
	line(columns)
	if before != "" {
		rule := make([]string, len(columns))
		for i := range rule {
			rule[i] = "---"
		}
		line(rule)
	}
	for _, r := range t.rows {
		line(r.cells(quick))
	}
}

// judge returns a *LimitError when a row is beyond its limit.
func (t *table) judge(quick bool) error {
	var broken []string
	for _, r := range t.rows {
		if r.verdict(quick) == verdictBroken {
			broken = append(broken, r.what)
		}
	}
	if len(broken) > 0 {
		return &LimitError{broken}
	}
	return nil
}
