package page

import (
	"golang.org/x/net/html"

	"shardclient/runner/plain"
)

// Part is what an element is made of: an attribute, a text or an element.
type Part interface{ join(*html.Node) }

// Text is escaped wherever it stands. Text that was written by others is [Foreign] instead.
type Text string

func (t Text) join(parent *html.Node) {
	parent.AppendChild(&html.Node{Type: html.TextNode, Data: string(t)})
}

type attribute html.Attribute

func (a attribute) join(parent *html.Node) { parent.Attr = append(parent.Attr, html.Attribute(a)) }

// Attr is an attribute. Its value is escaped; its name is never one from outside.
func Attr(name, value string) Part { return attribute{Key: name, Val: value} }

// Class is the attribute by which the style sheet knows an element.
func Class(names string) Part { return Attr("class", names) }

type element struct{ node *html.Node }

func (e element) join(parent *html.Node) { parent.AppendChild(e.node) }

// El is an element of HTML or SVG. It can stand in one place only.
func El(tag string, parts ...Part) Part {
	node := &html.Node{Type: html.ElementNode, Data: tag}
	for _, part := range parts {
		part.join(node)
	}
	return element{node}
}

// All are several parts, none included, in the place of one.
type All []Part

func (a All) join(parent *html.Node) {
	for _, part := range a {
		part.join(parent)
	}
}

// When returns the part if it is so, and otherwise nothing.
func When(so bool, part Part) Part {
	if so {
		return part
	}
	return All{}
}

// maxForeign is how many bytes of a foreign text the page repeats.
const maxForeign = 600

// Foreign is text from outside: a name, a reason, the words of a master. It becomes one printable
// line whose direction of writing ends with it, so that it cannot pass for a part of the page.
func Foreign(text string) Part { return El("bdi", Text(plain.Line(text, maxForeign))) }

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
