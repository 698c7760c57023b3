package bench

import (
	"fmt"
	"slices"
)

// sample is one round of a row. Without a floor the figure itself is judged; otherwise the ratio.
type sample struct{ figure, floor float64 }

func (s sample) value() float64 {
	if s.floor == 0 {
		return s.figure
	}
	return s.figure / s.floor
}

// row is one line of the table. For every row less is better.
type row struct {
	what string
	unit string // of figure and floor
	// aim is where the figure, or its ratio to the floor, is to arrive, and limit what it must not
	// exceed.
	aim, limit float64
	// informs rows have neither.
	informs bool
	// timed rows depend on the speed of the machine, and a quick run does not judge them.
	timed   bool
	samples []sample
}

// Verdicts on a row.
const (
	verdictAim     = "aim met"
	verdictWithin  = "within"
	verdictUnclear = "unclear" // the median breaks the limit, but not even three quarters of the rounds do
	verdictBroken  = "BROKEN"
	verdictNone    = "-"
)

// verdict judges the rounds. A limit is broken when even the lower quartile is beyond it: three
// quarters of the rounds then were, and no single slow round decides.
func (r *row) verdict(quick bool) string {
	lower, median, _ := r.quartiles()
	switch {
	case r.informs, len(r.samples) == 0, quick && r.timed:
		return verdictNone
	case lower > r.limit:
		return verdictBroken
	case median <= r.aim:
		return verdictAim
	case median <= r.limit:
		return verdictWithin
	}
	return verdictUnclear
}

// quartiles returns the lower quartile, the median and the upper quartile of what is judged.
func (r *row) quartiles() (lower, median, upper float64) {
	values := make([]float64, 0, len(r.samples))
	for _, s := range r.samples {
		values = append(values, s.value())
	}
	return quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)
}

// quantile returns the value below which the given part lies, between two values in proportion.
func quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	place := part * float64(len(sorted)-1)
	below := int(place)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (place-float64(below))*(sorted[above]-sorted[below])
}

// medians returns the medians of figure and floor, each for itself.
func (r *row) medians() (figure, floor float64) {
	var figures, floors []float64
	for _, s := range r.samples {
		figures, floors = append(figures, s.figure), append(floors, s.floor)
	}
	return quantile(figures, 0.5), quantile(floors, 0.5)
}

// number shows three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}
