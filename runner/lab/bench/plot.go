package bench

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// point is a figure of one size of answer.
type point struct{ size, value float64 }

// curve is a line of a plot.
type curve struct {
	name   string
	points []point
}

// curves collects points by the names of their lines, in the order of their first points.
type curves []curve

func (c *curves) add(name string, p point) {
	for i := range *c {
		if (*c)[i].name == name {
			(*c)[i].points = append((*c)[i].points, p)
			return
		}
	}
	*c = append(*c, curve{name, []point{p}})
}

// medians joins the points of one size to their median.
func (c curve) medians() plotter.XYs {
	values := map[float64][]float64{}
	var sizes []float64
	for _, p := range c.points {
		if values[p.size] == nil {
			sizes = append(sizes, p.size)
		}
		values[p.size] = append(values[p.size], p.value)
	}
	var line plotter.XYs
	for _, size := range sizes {
		line = append(line, plotter.XY{X: size, Y: quantile(values[size], 0.5)})
	}
	return line
}

// colours of lines, which differ also for most who see no red or no green.
var colours = []color.RGBA{{R: 0x00, G: 0x5a, B: 0xb5, A: 0xff}, {R: 0xdc, G: 0x32, B: 0x20, A: 0xff}, {R: 0x5d, G: 0x5d, B: 0x5d, A: 0xff}}

// ticks are about five round numbers of an axis that begins at 0.
func ticks(_, highest float64) (all []plot.Tick) {
	if highest <= 0 {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, factor := range []float64{5, 2} {
		if factor*step <= highest/4 {
			step *= factor
			break
		}
	}
	for i := 0.0; i*step <= highest; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return all
}

// draw writes an SVG with a line for each curve.
func draw(path, title, unit string, lines curves) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "answer, MB", unit
	p.X.Min, p.Y.Min = 0, 0
	p.Title.Padding = vg.Millimeter * 3
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.Padding = true, true, vg.Millimeter*3, vg.Millimeter
	p.Add(plotter.NewGrid())
	for i, c := range lines {
		line, points, err := plotter.NewLinePoints(c.medians())
		if err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
		line.Color, points.Color = colours[i%len(colours)], colours[i%len(colours)]
		line.Width = vg.Points(1.5)
		p.Add(line, points)
		p.Legend.Add(c.name, line, points)
	}
	p.X.Max, p.Y.Max = 1.03*p.X.Max, 1.3*p.Y.Max // room for the last point and the names of the lines
	if err := p.Save(16*vg.Centimeter, 10*vg.Centimeter, path); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

// plot draws what was measured for answers of several sizes, beside each other.
func (at *site) plot() error {
	for _, one := range []struct {
		file, title, unit string
		lines             curves
	}{
		{"time.svg", "Time to store an answer", "seconds", at.times},
		{"memory.svg", "Peak memory while storing an answer", "MB", at.peaks},
	} {
		if len(one.lines) == 0 {
			continue
		}
		if err := draw(filepath.Join(at.Report, one.file), one.title, one.unit, one.lines); err != nil {
			return err
		}
	}
	return nil
}
