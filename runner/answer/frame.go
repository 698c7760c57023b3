package answer

import "io"

// MaxToken is how much of a string or number the index of an answer looks at, in bytes. Only tests
// change it.
var MaxToken = 64 << 10

// frame passes on the text of an answer, byte for byte at its place, but cuts short each string and
// number of more than MaxToken bytes and puts spaces behind it. So the brackets of any answer are
// found in little memory (P9). The objects themselves are read from the text as it came.
type frame struct {
	from io.Reader
	at   int64 // how much has been passed on
	cuts []cut // what was cut short, until wholeEnd has asked for what comes later

	in   place // what the next byte is part of
	kept int   // how much of the string or word has been passed on

	cut     bool // it has been cut short
	digit   bool // its last byte was a digit
	escaped bool // the byte before begins an escape
	since   int  // how many bytes came since an escape began
}

// Framed returns a reader of the same text in which no string or number is long.
func Framed(text io.Reader) io.Reader { return &frame{from: text} }

func (f *frame) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	for p = p[:n]; len(p) > 0; {
		some := 0
		switch f.in {
		case outside:
			some = f.outside(p)
		case inText:
			some = f.text(p)
		case inWord:
			some = f.word(p)
		}
		f.at += int64(some)
		p = p[some:]
	}
	return n, err
}

// place says what a byte of an answer is part of.
type place int

const (
	outside place = iota // of strings and words
	inText
	inWord
)

// cut is a string or number that was cut short: where it ends in what was passed on, and in what
// came.
type cut struct{ end, wholeEnd int64 }

// wholeEnd returns where a string or number ends in what came, of which the end in what was passed
// on is known. All that follows it up to the next bracket or comma must have been read.
func (f *frame) wholeEnd(end int64) int64 {
	for len(f.cuts) > 0 && f.cuts[0].end < end {
		f.cuts = f.cuts[1:]
	}
	if len(f.cuts) > 0 && f.cuts[0].end == end {
		return f.cuts[0].wholeEnd
	}
	return end
}

// begin begins a string or word.
func (f *frame) begin(in place) {
	f.in, f.kept, f.cut, f.digit, f.escaped, f.since = in, 0, false, false, false, 0
}

// outside returns how many bytes come before the next string or word, the quote of a string
// included.
func (f *frame) outside(p []byte) int {
	for i, b := range p {
		if b == '"' {
			f.begin(inText)
			return i + 1
		} else if !ends[b] {
			f.begin(inWord)
			return i
		}
	}
	return len(p)
}

// text goes on in a string, up to its end. It may be cut before an escape, or far behind one.
func (f *frame) text(p []byte) int {
	for i := 0; i < len(p); {
		if n := f.plain(p[i:]); n > 0 {
			i += n
			continue
		}
		b, escape := p[i], p[i] == '\\' && !f.escaped
		if f.kept >= MaxToken && !f.cut && (escape || f.since > len(`\uFFFF`)) {
			p[i], f.cut = '"', true
			f.cuts = append(f.cuts, cut{end: f.at + int64(i) + 1})
		} else if f.cut {
			p[i] = ' '
		}
		i++
		f.kept++
		f.since++
		switch {
		case escape:
			f.since = 0
		case b == '"' && !f.escaped:
			f.end(i)
			return i
		}
		f.escaped = escape
	}
	return len(p)
}

// plain returns how many bytes of a string can be passed on as they are without a closer look.
func (f *frame) plain(p []byte) int {
	if f.escaped || f.kept >= MaxToken {
		return 0
	}
	p = p[:min(len(p), MaxToken-f.kept)]
	n := 0
	for n < len(p) && p[n] != '"' && p[n] != '\\' { // most strings are short: this is as fast as bytes.IndexAny
		n++
	}
	f.kept += n
	f.since += n
	return n
}

// word goes on in a number or another word, up to its end. It may be cut behind a digit.
func (f *frame) word(p []byte) int {
	for i, b := range p {
		if ends[b] {
			f.end(i)
			return i
		}
		if f.kept >= MaxToken && f.digit && !f.cut {
			f.cut = true
			f.cuts = append(f.cuts, cut{end: f.at + int64(i)})
		}
		if f.cut {
			p[i] = ' '
		}
		f.digit = '0' <= b && b <= '9'
		f.kept++
	}
	return len(p)
}

// end notes that a string or word ends so many bytes further on.
func (f *frame) end(further int) {
	if f.in = outside; f.cut {
		f.cuts[len(f.cuts)-1].wholeEnd = f.at + int64(further)
	}
}

// ends are the bytes that end a word.
var ends = [256]bool{
	'"': true, ' ': true, '\t': true, '\r': true, '\n': true, ',': true, ':': true, '[': true, ']': true, '{': true, '}': true,
}
