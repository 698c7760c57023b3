package autotest

import "strings"

// Parse reads the text of a file. Path is for values and errors, which are [*Error].
func Parse(path, text string) (*File, error) {
	p := &parser{path: path, file: &File{section{}, map[string]section{}}}
	for line := range strings.Lines(text) {
		p.line++
		if isComment(line) {
			continue
		}
		if err := p.read(line); err != nil {
			return nil, err
		}
	}
	return p.file, nil
}

// parser is where the reading of a file has come to.
type parser struct {
	path string
	line int
	file *File
	in   section // nil: before the first header
	key  string  // with which an indented line goes on; "": none
}

func isComment(line string) bool {
	word := trim(line)
	if end := strings.IndexAny(word, spaces); end >= 0 {
		word = word[:end]
	}
	return word == "" || line[0] == '#' || line[0] == ';' ||
		lower(word) == "rem" && (line[0] == 'r' || line[0] == 'R')
}

func (p *parser) read(line string) error {
	if strings.IndexByte(spaces, line[0]) >= 0 && p.key != "" {
		more := p.in[p.key]
		more.Text += "\n" + trim(line)
		p.in[p.key] = more
		return nil
	}
	if name, ok := header(line); ok {
		p.enter(name)
		return nil
	}
	if p.in == nil {
		return &Error{p.path, p.line, "it stands before the first [SECTION]"}
	}
	at := strings.IndexAny(line, ":=")
	if at < 1 || strings.IndexByte(spaces, line[0]) >= 0 {
		return &Error{p.path, p.line, "it is neither a [SECTION] nor key: value, and goes on with no value above"}
	}
	p.key = lower(strings.TrimRight(line[:at], spaces))
	p.in[p.key] = entry{Value: Value{valueOf(line[at+1:]), p.path, p.line}}
	return nil
}

// header returns the name of a section; whatever stands behind the bracket is no part of it.
func header(line string) (name string, ok bool) {
	if line[0] != '[' {
		return "", false
	}
	name, _, ok = strings.Cut(line[1:], "]")
	return name, ok && name != ""
}

func (p *parser) enter(name string) {
	p.key = ""
	if name == "DEFAULT" {
		p.in = p.file.defaults
		return
	}
	if p.file.sections[name] == nil {
		p.file.sections[name] = section{}
	}
	p.in = p.file.sections[name]
}

// valueOf reads what stands behind the colon. Before a semicolon that comes first, Python looks at
// the last character of the line.
func valueOf(text string) string {
	text = strings.TrimSuffix(strings.TrimLeft(text, spaces), "\n")
	if at := strings.IndexByte(text, ';'); at >= 0 {
		if before := text[(at+len(text)-1)%len(text)]; strings.IndexByte(spaces, before) >= 0 {
			text = text[:at]
		}
	}
	if text = trim(text); text == `""` {
		return ""
	}
	return text
}
