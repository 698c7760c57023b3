package page

// Column is the head of a column.
type Column struct{ Name, Class string }

// Cell is a cell of a table.
type Cell struct {
	Class string
	Part  Part
}

// Numeric is a cell with a count.
func Numeric(n int64) Cell { return Cell{"n", Text(Number(n))} }

// Row is a row of a table; it is named by its first cell.
func Row(name Part, cells ...Cell) Part {
	row := All{El("th", Attr("scope", "row"), Class("when"), name)}
	for _, c := range cells {
		row = append(row, El("td", Class(c.Class), c.Part))
	}
	return El("tr", row)
}

// Table is a table that scrolls within the page where it does not fit, and that the keyboard can
// scroll. id is the beginning of the ids in it, name what it is called where it is not seen.
func Table(id, name string, columns []Column, rows Part) Part {
	head := All{}
	for _, c := range columns {
		head = append(head, El("th", Attr("scope", "col"), Class(c.Class), Text(c.Name)))
	}
	return El("div", Class("scrolls"), Attr("id", id+"-scrolls"), Attr("tabindex", "0"), Attr("role", "region"), Attr("aria-label", name),
		El("table", El("thead", El("tr", head)), El("tbody", rows)))
}

// Tile is a count with its name, for a list of the class counts. One that wants attention says so
// in colour.
func Tile(name, value string, attention bool) Part {
	class := ""
	if attention {
		class = "attention"
	}
	return El("div", Class(class), El("dt", Text(name)), El("dd", Text(value)))
}
