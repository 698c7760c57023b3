package page

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shardclient/runner/plain"
)

// Bars is how many bars a plot has room for.
const Bars = 120

// Plot shows how long things took, one after the other, as stacked bars. It is drawn with Bars
// places, however many are taken: the newest stands at the right.
type Plot struct {
	// What says what the bars are: "beats".
	What string
	// Phases are the names of the parts of a bar, from the ground up; at most four.
	Phases []string
	Bars   []Bar // the oldest first; at most Bars
}

// Bar is one bar of a plot.
type Bar struct {
	At     time.Time
	MS     []float64 // of each phase
	Failed bool
	Told   string // what a mouse is told
}

func (b *Bar) total() (sum float64) {
	for _, ms := range b.MS {
		sum += ms
	}
	return sum
}

// The measures of the drawing. It is stretched to the width of the page, so nothing in it has a
// shape that could be stretched out of its meaning: what failed is marked by where it stands.
const (
	barWidth, barStep = 3, 4
	plotHeight        = 100
	laneTop, laneHigh = 104, 10
	plotWidth         = Bars * barStep
	plotWhole         = laneTop + laneHigh
)

// Draw returns the drawing with its scale, legend and a text for those who do not see it. id is the
// beginning of the ids in it.
func (p *Plot) Draw(id string, now time.Time) Part {
	if len(p.Bars) == 0 {
		return El("p", Class("none"), Text("No "+p.What+" yet."))
	}
	top, cut := p.scale()
	svg := All{
		Attr("viewBox", fmt.Sprintf("0 0 %d %d", plotWidth, plotWhole)), Attr("preserveAspectRatio", "none"),
		Attr("role", "img"), Attr("aria-labelledby", id+"-says"), Attr("focusable", "false"), hatch(id),
	}
	for _, share := range []int{0, 1, 2} {
		y := strconv.Itoa(plotHeight * share / 2)
		svg = append(svg, El("line", Class("grid"), Attr("x1", "0"), Attr("x2", strconv.Itoa(plotWidth)), Attr("y1", y), Attr("y2", y)))
	}
	for i := range p.Bars {
		svg = append(svg, p.draw(&p.Bars[i], (Bars-len(p.Bars)+i)*barStep, top, id))
	}
	legend := All{Class("legend"), Attr("aria-hidden", "true")}
	for i, phase := range slices.Backward(p.Phases) {
		legend = append(legend, El("li", El("i", Class("swatch p"+strconv.Itoa(i))), Text(phase)))
	}
	legend = append(legend, El("li", El("i", Class("swatch failed")), Text("failed")))
	first := Text("") // it would stand where no bar is yet
	if len(p.Bars) == Bars {
		first = Text(Clock(p.Bars[0].At, now) + " UTC")
	}
	return All{
		El("div", Class("plot"),
			El("div", Class("scale"), Attr("aria-hidden", "true"), El("span", Text(Milliseconds(top))),
				El("span", Text(Milliseconds(top/2))), El("span", Text("0"))),
			El("div", Class("drawing"), El("svg", svg)),
			El("div", Class("times"), Attr("aria-hidden", "true"), El("span", first),
				El("span", Text(Clock(p.Bars[len(p.Bars)-1].At, now)+" UTC"))),
		),
		El("ul", legend),
		El("p", Class("says"), Attr("id", id+"-says"), Text(p.says(now)), When(cut > 0,
			Text(fmt.Sprintf(" %s cut off at the top: longer than %s.", barsAre(cut), Milliseconds(top))))),
	}
}

func barsAre(n int) string {
	if n == 1 {
		return "One bar is"
	}
	return fmt.Sprintf("%d bars are", n)
}

func (p *Plot) draw(b *Bar, x int, top float64, id string) Part {
	parts := All{El("title", Text(plain.Line(b.Told, maxForeign)))}
	rect := func(class string, y, height float64) {
		parts = append(parts, El("rect", Class(class), Attr("x", strconv.Itoa(x)), Attr("width", strconv.Itoa(barWidth)),
			Attr("y", short(y)), Attr("height", short(height))))
	}
	if b.Failed {
		parts = append(parts, El("rect", Attr("fill", "url(#"+id+"-hatch)"), Attr("x", strconv.Itoa(x)),
			Attr("width", strconv.Itoa(barWidth)), Attr("y", "0"), Attr("height", strconv.Itoa(plotHeight))))
	}
	ground := float64(plotHeight)
	for i, ms := range b.MS {
		height := min(ms/top*plotHeight, ground)
		ground -= height
		if height > 0 {
			rect("p"+strconv.Itoa(i), ground, height)
		}
	}
	if b.total() > top {
		rect("gap", 6, 2)
		rect("gap", 10, 2)
	}
	if b.Failed {
		rect("failed", laneTop, laneHigh)
	} else {
		rect("fine", laneTop+laneHigh-2, 2)
	}
	return El("g", parts)
}

// hatch is the ground behind what failed.
func hatch(id string) Part {
	return El("defs", El("pattern", Attr("id", id+"-hatch"), Attr("width", "3"), Attr("height", "4"), Attr("patternUnits", "userSpaceOnUse"),
		El("rect", Class("hatch"), Attr("width", "3"), Attr("height", "2"))))
}

func short(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// scale returns the time at the top, a round one, and how many bars are higher. A few that took
// very long, as an outage makes them, must not press all others to the ground.
func (p *Plot) scale() (top float64, cut int) {
	totals := make([]float64, len(p.Bars))
	for i := range p.Bars {
		totals[i] = p.Bars[i].total()
	}
	slices.Sort(totals)
	highest, usual := totals[len(totals)-1], totals[len(totals)*9/10]
	if highest > 5*usual && usual > 0 {
		highest = 2 * usual
	}
	top = round(highest)
	for _, total := range totals {
		if total > top {
			cut++
		}
	}
	return top, cut
}

// round returns the next 1, 2, 4 or 6 times a power of ten, of which the half is round as well.
func round(ms float64) float64 {
	for power := 1.0; ; power *= 10 {
		for _, digit := range []float64{1, 2, 4, 6} {
			if ms <= digit*power {
				return digit * power
			}
		}
	}
}

// says is the plot in a sentence.
func (p *Plot) says(now time.Time) string {
	totals, failed := []float64{}, 0
	for i := range p.Bars {
		totals = append(totals, p.Bars[i].total())
		if p.Bars[i].Failed {
			failed++
		}
	}
	slices.Sort(totals)
	return fmt.Sprintf("%s since %s UTC: %d ok, %d failed; the median took %s, the longest %s.",
		Count(int64(len(totals)), strings.TrimSuffix(p.What, "s"), p.What),
		Clock(p.Bars[0].At, now), len(totals)-failed, failed, Milliseconds(totals[len(totals)/2]), Milliseconds(totals[len(totals)-1]))
}
