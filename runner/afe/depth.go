package afe

// maxDepth is how deep a value may be nested. The JSON library takes 10,000 levels; one value
// beyond that would fail the whole answer (P6).
const maxDepth = 9000

// tooDeep replaces a value beyond maxDepth. It is a string that is not UTF-8: it passes as raw
// text, and an object that holds it cannot be used. It is short, because an answer may hold many
// such values of two characters.
var tooDeep = []byte("\"\xfe\xff\"")

// shallow replaces values beyond maxDepth by tooDeep. It does not parse: a text that is not JSON is
// still not JSON afterwards.
func shallow(body []byte) (cut []byte) {
	depth, kept, text := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case b == '"':
			text = !text
		case text && b == '\\':
			i++
		case text:
		case b == '[' || b == '{':
			if depth++; depth == maxDepth {
				cut, kept = append(append(cut, body[kept:i]...), tooDeep...), i
			}
		case b == ']' || b == '}':
			if depth--; depth == maxDepth-1 {
				kept = i + 1
			}
		}
	}
	return append(cut, body[kept:]...)
}
